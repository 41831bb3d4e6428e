//! A map of the world in letters: which outlet has the most clients where.

use std::collections::HashMap;

use serde::Serialize;

use crate::geo::Coordinates;

/// Columns: 5 degrees each.
const WIDTH: usize = 72;
/// Rows: 6 degrees each, from 78 north to 60 south.
const HEIGHT: usize = 23;
const NORTH: f64 = 78.0;

/// The drawing and its letters.
#[derive(Debug, Serialize)]
pub(super) struct Map {
    /// From north to south; a space where nobody lives.
    pub(super) rows: Vec<String>,
    /// What each letter stands for.
    pub(super) legend: Vec<(char, String)>,
}

impl Map {
    /// Draws points: where, which of `outlets`, and how many.
    pub(super) fn draw(
        points: impl Iterator<Item = (Coordinates, usize, f64)>,
        outlets: Vec<String>,
    ) -> Map {
        let mut cells: HashMap<(usize, usize), HashMap<usize, f64>> = HashMap::new();
        for (at, outlet, weight) in points {
            let row = ((NORTH - at.latitude) / 6.0).clamp(0.0, (HEIGHT - 1) as f64) as usize;
            let column = ((at.longitude + 180.0) / 5.0).clamp(0.0, (WIDTH - 1) as f64) as usize;
            *cells.entry((row, column)).or_default().entry(outlet).or_default() += weight;
        }
        let most = |outlets: &HashMap<usize, f64>| {
            outlets
                .iter()
                .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)))
                .map_or(' ', |(outlet, _)| letter(*outlet))
        };
        let rows = (0..HEIGHT).map(|row| {
            let line: String =
                (0..WIDTH).map(|column| cells.get(&(row, column)).map_or(' ', most)).collect();
            line.trim_end().to_owned()
        });
        let legend = outlets.into_iter().enumerate().map(|(index, name)| (letter(index), name));
        Map { rows: rows.collect(), legend: legend.collect() }
    }
}

/// A to Z, then a to z; more outlets than that share the last sign.
fn letter(index: usize) -> char {
    ('A'..='Z').chain('a'..='z').nth(index).unwrap_or('*')
}
