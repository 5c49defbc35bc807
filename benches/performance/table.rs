//! Prints results: medians with their spread, in Markdown tables.

use std::fmt;

/// Rows of cells.
pub type Rows = Vec<Vec<String>>;

/// One table of results.
pub struct Table {
    /// Its heading.
    pub title: &'static str,
    /// The heads of its columns. The first column has names, the others have figures.
    pub head: &'static [&'static str],
    /// Its rows.
    pub rows: Rows,
}

impl Table {
    /// A table without rows.
    pub const fn new(title: &'static str, head: &'static [&'static str]) -> Self {
        Self { title, head, rows: Vec::new() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "| --- |{}", " ---: |".repeat(self.head.len() - 1))?;
        for row in &self.rows {
            writeln!(f, "| {} |", row.join(" | "))?;
        }
        Ok(())
    }
}

/// Results of the same measurement, in order of size.
pub struct Samples(Vec<f64>);

impl Samples {
    /// Takes one result from each run.
    pub fn of<T>(runs: &[T], value: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<f64> = runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The one in the middle.
    pub fn median(&self) -> f64 {
        f64::midpoint(self.0[(self.0.len() - 1) / 2], self.0[self.0.len() / 2])
    }

    /// The median, and the least and the most if they differ from it.
    pub fn show(&self, decimals: usize) -> String {
        let text = |value: f64| format!("{value:.decimals$}");
        let (least, most) = (text(self.0[0]), text(self.0[self.0.len() - 1]));
        let median = text(self.median());
        if least == most { median } else { format!("{median} ({least} to {most})") }
    }
}

/// A ratio to a lower bound.
pub fn ratio(value: f64, bound: f64) -> String {
    format!("{:.2}", value / bound)
}

/// A count as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "counts and bytes are far below 2^52")]
pub fn number(count: usize) -> f64 {
    count as f64
}

/// Bytes as MB.
#[expect(clippy::cast_precision_loss, reason = "bytes are far below 2^52")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
