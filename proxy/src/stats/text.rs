//! Sections as text, for people.
//!
//! Promise: no line is longer than [`WIDTH`] characters, and none holds a control character: what a metric's
//! label says cannot steer a terminal. Counts below a million are exact.

use std::fmt;

use super::histogram::Estimate;
use super::section::{Body, Cell, Column, Row, Section};

/// The longest line, in characters.
pub(super) const WIDTH: usize = 100;
/// Between two columns.
const GAP: usize = 2;
/// Below this a column of text is not made narrower.
const NARROWEST: usize = 8;

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        match &self.body {
            Body::Values(values) => write_values(f, values),
            Body::Table {
                columns,
                rows,
                most,
            } => write_table(f, columns, rows, *most),
        }
    }
}

/// As many on a line as it holds.
fn write_values(f: &mut fmt::Formatter<'_>, values: &[(Column, Cell)]) -> fmt::Result {
    let mut line = String::new();
    for (Column(_, name), cell) in values {
        let next = format!("  {name} {}", shown(cell));
        if !line.is_empty() && line.chars().count() + next.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            line.clear();
        }
        line.push_str(&next);
    }
    writeln!(f, "{}", cut(&line, WIDTH))
}

fn write_table(
    f: &mut fmt::Formatter<'_>,
    columns: &[Column],
    rows: &[Row],
    most: usize,
) -> fmt::Result {
    let loud: Vec<&Row> = rows.iter().filter(|row| !row.is_quiet).collect();
    if loud.is_empty() {
        return writeln!(f, "  none");
    }
    let heads = columns
        .iter()
        .map(|Column(_, heading)| (*heading).to_owned());
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    lines.extend(
        loud.iter()
            .take(most)
            .map(|row| row.cells.iter().map(shown).collect()),
    );
    let is_text = |at: usize| {
        loud.iter()
            .any(|row| matches!(row.cells.get(at), Some(Cell::Text(_))))
    };
    let width = |at: usize| {
        let cells = lines.iter().filter_map(|line| line.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let mut widths: Vec<(usize, bool)> = (0..columns.len())
        .map(|at| (width(at), is_text(at)))
        .collect();
    fit(&mut widths);
    for line in &lines {
        let mut text = String::new();
        for (cell, (width, is_text)) in line.iter().zip(&widths) {
            let cell = cut(cell, *width);
            let (gap, width) = (GAP, *width);
            text.push_str(&if *is_text {
                format!("{:gap$}{cell:<width$}", "")
            } else {
                format!("{:gap$}{cell:>width$}", "")
            });
        }
        writeln!(f, "{}", cut(text.trim_end(), WIDTH))?;
    }
    match loud.len().saturating_sub(most) {
        0 => Ok(()),
        more => writeln!(f, "  and {more} more (--json has all)"),
    }
}

/// Makes the widest columns of text narrower until a line holds all columns.
fn fit(widths: &mut [(usize, bool)]) {
    loop {
        let whole: usize = widths.iter().map(|(width, _)| width + GAP).sum();
        let texts = widths.iter_mut().filter(|(_, is_text)| *is_text);
        let widest = texts.max_by_key(|(width, _)| *width);
        match widest {
            Some((width, _)) if whole > WIDTH && *width > NARROWEST => {
                *width = width.saturating_sub(whole - WIDTH).max(NARROWEST);
            }
            Some(_) | None => return,
        }
    }
}

/// With a mark where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['…']).collect()
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Missing => "-".to_owned(),
        Cell::Text(text) => {
            let shown = |one: char| if one.is_control() { ' ' } else { one };
            text.chars().map(shown).collect()
        }
        Cell::Is(is) => if *is { "yes" } else { "no" }.to_owned(),
        Cell::Count(number)
        | Cell::PerSecond(number)
        | Cell::Share(number)
        | Cell::Bytes(number)
        | Cell::Seconds(
            Estimate::About(number) | Estimate::AtLeast(number) | Estimate::AtMost(number),
        ) if !number.is_finite() => "-".to_owned(),
        Cell::Count(number) => count(*number),
        Cell::PerSecond(number) if *number > 0.0 && *number < 100.0 => significant(*number),
        Cell::PerSecond(number) => count(*number),
        Cell::Share(share) => format!("{:.1}%", share * 100.0),
        Cell::Bytes(bytes) => self::bytes(*bytes),
        Cell::Seconds(Estimate::About(number)) => seconds(*number),
        Cell::Seconds(Estimate::AtLeast(number)) => format!(">{}", seconds(*number)),
        Cell::Seconds(Estimate::AtMost(number)) => format!("≤{}", seconds(*number)),
    }
}

fn count(number: f64) -> String {
    if number.abs() < 1e6 {
        return format!("{number:.0}");
    }
    scaled(number, &[(1e6, "M"), (1e9, "G"), (1e12, "T")])
}

fn bytes(number: f64) -> String {
    if number < 1024.0 {
        return format!("{number:.0} B");
    }
    let unit = [
        (1024.0, " KiB"),
        (1_048_576.0, " MiB"),
        (1_073_741_824.0, " GiB"),
    ];
    scaled(number, &unit)
}

fn seconds(number: f64) -> String {
    if number == 0.0 {
        return "0 s".to_owned();
    }
    scaled(number, &[(1e-6, " µs"), (1e-3, " ms"), (1.0, " s")])
}

/// In the largest unit that is not larger, or the first one.
fn scaled(number: f64, units: &[(f64, &str)]) -> String {
    // So that 999.6 becomes 1 of the next.
    let fits = |(unit, _): &&(f64, &str)| number.abs() >= unit * 0.9995;
    let unit = units.iter().rev().find(fits).or(units.first());
    let (unit, name) = unit.copied().unwrap_or((1.0, ""));
    format!("{}{name}", significant(number / unit))
}

/// Three digits that count, and every digit before the point.
fn significant(number: f64) -> String {
    match number.abs() {
        small if small < 9.995 => format!("{number:.2}"),
        medium if medium < 99.95 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short_and_small_counts_are_exact() {
        for (cell, expected) in [
            (Cell::Count(999_999.0), "999999"),
            (Cell::Count(1_234_567.0), "1.23M"),
            (Cell::Count(f64::NAN), "-"),
            (Cell::PerSecond(0.0), "0"),
            (Cell::PerSecond(0.333), "0.33"),
            (Cell::PerSecond(1234.4), "1234"),
            (Cell::Share(0.95), "95.0%"),
            (Cell::Bytes(0.0), "0 B"),
            (Cell::Bytes(209_715_200.0), "200 MiB"),
            (Cell::Seconds(Estimate::About(0.000_000_5)), "0.50 µs"),
            (Cell::Seconds(Estimate::About(0.999_9)), "1.00 s"),
            (Cell::Seconds(Estimate::About(0.0125)), "12.5 ms"),
            (Cell::Seconds(Estimate::AtLeast(10.0)), ">10.0 s"),
            (Cell::Seconds(Estimate::AtMost(0.05)), "≤50.0 ms"),
            (Cell::Is(false), "no"),
            (Cell::text("a\u{1b}[2Jb"), "a [2Jb"),
        ] {
            assert_eq!(shown(&cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn no_line_is_longer_than_a_screen_and_quiet_rows_are_not_shown() {
        let row = |text: &str, number| Row {
            cells: vec![Cell::text(text), Cell::Count(number)],
            is_quiet: number == 0.0,
        };
        let long = "é".repeat(300);
        let rows = vec![row(&long, 5.0), row("b", 0.0), row("c", 2.0), row("d", 1.0)];
        let columns = [Column("route", "route"), Column("total", "total")];
        let text = Section::table("k", "Title", &columns, rows)
            .at_most(2)
            .to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines.iter().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
        assert!(
            lines[2].contains("é…") && lines[2].ends_with("  5"),
            "{text}"
        );
        assert!(lines[3].starts_with("  c"), "{text}");
        assert_eq!(lines[4..], ["  and 1 more (--json has all)"], "{text}");

        let none = Section::table("k", "Title", &columns, vec![row("a", 0.0)]).to_string();
        assert_eq!(none, "Title\n  none\n");

        let value = (Column("n", "name"), Cell::text("value ".repeat(5)));
        let text = Section::values("k", "Title", vec![value; 9]).to_string();
        assert!(text.lines().count() > 3, "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= WIDTH),
            "{text}"
        );
    }
}
