//! Seeded chance for populations, and the codes that drawn values have.

use corral_kernels::ABSENT;

/// SplitMix64: seeded, so that every run measures the same population.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// From 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of so many values, the small ones far more often the larger `tail` is; 1 is evenly.
    #[expect(clippy::cast_possible_truncation, reason = "it is below a number of 32 bits")]
    #[expect(clippy::cast_sign_loss, reason = "it is not below zero")]
    pub(crate) fn heavy(&mut self, values: u32, tail: i32) -> u32 {
        (self.next().powi(tail) * f64::from(values)) as u32
    }

    /// The numbers below `count` in random order: reading a table of them in its own order misses the
    /// cache at every step.
    pub(crate) fn permutation(&mut self, count: u32) -> Vec<u32> {
        let mut table: Vec<u32> = (0..count).collect();
        for at in (1..count).rev() {
            table.swap(at as usize, self.heavy(at + 1, 1) as usize);
        }
        table
    }
}

/// Codes for drawn values, numbered from `base` by their first row: texts of one column mostly arrive
/// together, so that their codes lie together.
pub(crate) fn arrival(drawn: &[u32], values: u32, base: u32) -> Vec<u32> {
    let mut codes = vec![ABSENT; values as usize];
    let mut next = base;
    let mut code = |value: u32| {
        let code = &mut codes[value as usize];
        if *code == ABSENT {
            *code = next;
            next += 1;
        }
        *code
    };
    drawn.iter().map(|&value| if value == ABSENT { ABSENT } else { code(value) }).collect()
}
