//! How time grows with rows: the exponent of the power that fits best.

use super::measure::Measured;

/// Smaller sizes measure what a call costs, not what a row costs.
const ROWS_MIN: u32 = 10_000;

/// How a kernel's time grows on a shape.
pub(super) struct Growth {
    pub(super) kernel: &'static str,
    pub(super) shape: &'static str,
    pub(super) threads: usize,
    /// 1 is linear.
    pub(super) exponent: f64,
}

/// The growth of each kernel on each shape that was measured at two sizes at least, in their order.
pub(super) fn all(measured: &[Measured]) -> Vec<Growth> {
    let mut all = Vec::new();
    for case in measured.chunk_by(|a, b| (a.kernel, a.shape) == (b.kernel, b.shape)) {
        let large = || case.iter().filter(|size| size.rows >= ROWS_MIN);
        for run in &case[0].runs {
            let points: Vec<(f64, f64)> = large()
                .filter_map(|size| Some((f64::from(size.rows), size.run(run.threads)?.time)))
                .collect();
            let (kernel, shape, threads) = (case[0].kernel, case[0].shape, run.threads);
            let exponent = exponent(&points);
            all.extend(exponent.map(|exponent| Growth { kernel, shape, threads, exponent }));
        }
    }
    all
}

/// The slope of the line that fits the logarithms best, by least squares.
#[expect(clippy::cast_precision_loss, reason = "a handful of points")]
fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    if points.len() < 2 {
        return None;
    }
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| {
        logarithms.iter().map(of).sum::<f64>() / logarithms.len() as f64
    };
    let (x_mean, y_mean) = (mean(|point| point.0), mean(|point| point.1));
    let products = logarithms.iter().map(|(x, y)| (x - x_mean) * (y - y_mean));
    let squares = logarithms.iter().map(|(x, _)| (x - x_mean).powi(2));
    Some(products.sum::<f64>() / squares.sum::<f64>())
}
