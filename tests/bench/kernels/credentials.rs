//! Credentials for `credential-reuse`.
//!
//! The typical ones are those of a wordlist: a few passwords of a few users everywhere, and a long tail
//! that comes up once.

use anyhow::Result;
use corral_kernels::{Column, Frame, Interner};

use super::Population;
use super::chance::{Chance, arrival};

pub(super) const SHAPES: &[(&str, Population)] = &[
    ("typical", typical),
    ("one secret everywhere", one_secret),
    ("all distinct", all_distinct),
    ("two of each", two_of_each),
];

/// The columns, from that many secrets and principals, by the tails of their distributions.
fn credentials(rows: u32, secrets: (u32, i32), principals: (u32, i32)) -> Result<Vec<Frame>> {
    let mut chance = Chance(3);
    let mut base = 0;
    let columns = [
        ("secret_sha256", secrets),
        ("secret_kind", (1, 1)),
        ("principal", principals),
        ("decky", (20, 1)),
        ("service", (2, 1)),
        ("ip", (rows.div_ceil(20), 2)),
    ]
    .map(|(name, (values, tail))| {
        let drawn: Vec<u32> = (0..rows).map(|_| chance.heavy(values, tail)).collect();
        base += values;
        (name, Column::text(arrival(&drawn, values, base - values)))
    });
    Ok(vec![Frame::new(rows as usize, columns)?])
}

fn typical(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    credentials(rows, (rows, 3), (rows.div_ceil(50), 6))
}

fn one_secret(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    credentials(rows, (1, 1), (1, 1))
}

/// Credentials whose secrets are these.
fn with_secrets(rows: u32, secrets: Vec<u32>) -> Result<Vec<Frame>> {
    let others = one_secret(rows, &Interner::new(0))?;
    let columns = others[0].columns().map(|(name, column)| match name {
        "secret_sha256" => (name, Column::text(secrets.clone())),
        _ => (name, column.clone()),
    });
    Ok(vec![Frame::new(rows as usize, columns)?])
}

fn all_distinct(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    with_secrets(rows, (0..rows).collect())
}

/// As many groups as there can be, their credentials far from each other.
fn two_of_each(rows: u32, _: &Interner) -> Result<Vec<Frame>> {
    with_secrets(rows, Chance(6).permutation(rows).iter().map(|place| place / 2).collect())
}
