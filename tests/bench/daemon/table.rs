//! What was measured, as a table: each line beside its baseline of the same run, its target, and DECNET.

/// One thing that was measured.
#[derive(Default)]
pub(crate) struct Line {
    pub(crate) work: String,
    pub(crate) measured: String,
    /// The same work otherwise, in the same run.
    pub(crate) baseline: String,
    /// To the baseline.
    pub(crate) ratio: Option<f64>,
    /// What DECNET takes, as was measured once and is not measured here.
    pub(crate) decnet: &'static str,
    pub(crate) target: &'static str,
    pub(crate) is_met: bool,
}

/// All lines, each told at once too: the next may take minutes.
#[derive(Default)]
pub(crate) struct Table(Vec<[String; 7]>);

const HEAD: [&str; 7] = ["work", "measured", "baseline", "ratio", "DECNET", "target", "met"];

impl Table {
    pub(crate) fn add(&mut self, line: Line) {
        println!("  {}: {}", line.work, line.measured);
        let ratio = line.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2} x"));
        let met = if line.is_met { "yes" } else { "NO" };
        self.0.push([
            line.work,
            line.measured,
            line.baseline,
            ratio,
            line.decnet.to_owned(),
            line.target.to_owned(),
            met.to_owned(),
        ]);
    }

    pub(crate) fn print(&self) {
        let head = HEAD.map(str::to_owned);
        let lines = || std::iter::once(&head).chain(&self.0);
        let width = |at: usize| lines().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
        for line in lines() {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}
