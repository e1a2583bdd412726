//! What is shown: tables and single values, the same for people and for scripts.
//!
//! Promise: scripts get numbers as they are (seconds, bytes, shares of 1), under names that do not depend on
//! what there is to show; what is not known has no name there.

use serde_json::{Map, Number, Value};

use super::histogram::Estimate;

/// One part of what is shown.
#[derive(Debug, PartialEq)]
pub(super) struct Section {
    /// Its name for scripts.
    pub(super) key: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    pub(super) body: Body,
}

#[derive(Debug, PartialEq)]
pub(super) enum Body {
    /// A value for each name.
    Values(Vec<(Column, Cell)>),
    /// Rows, at most so many of them for people.
    Table {
        columns: Vec<Column>,
        rows: Vec<Row>,
        most: usize,
    },
}

/// A name for scripts, and one for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column(pub(super) &'static str, pub(super) &'static str);

/// One row. For people, one that is quiet says nothing.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) is_quiet: bool,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Nothing is known.
    Missing,
    Text(String),
    /// Yes or no.
    Is(bool),
    Count(f64),
    PerSecond(f64),
    /// Of 1.
    Share(f64),
    Bytes(f64),
    Seconds(Estimate),
}

/// Of the two numbers; nothing, where one of them is not known or there is nothing to have a share of.
pub(super) fn share(part: Option<f64>, whole: Option<f64>) -> Cell {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0.0 => Cell::Share(part / whole),
        (Some(_) | None, Some(_) | None) => Cell::Missing,
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn count(count: Option<f64>) -> Self {
        count.map_or(Self::Missing, Self::Count)
    }

    pub(super) fn bytes(bytes: Option<f64>) -> Self {
        bytes.map_or(Self::Missing, Self::Bytes)
    }

    pub(super) fn seconds(seconds: Option<Estimate>) -> Self {
        seconds.map_or(Self::Missing, Self::Seconds)
    }

    pub(super) fn gauge(seconds: Option<f64>) -> Self {
        Self::seconds(seconds.map(Estimate::About))
    }
}

impl Section {
    /// Values, without those that are not known.
    pub(super) fn values(
        key: &'static str,
        title: &'static str,
        values: impl IntoIterator<Item = (Column, Cell)>,
    ) -> Self {
        let known = values
            .into_iter()
            .filter(|(_, cell)| *cell != Cell::Missing);
        Self {
            key,
            title,
            body: Body::Values(known.collect()),
        }
    }

    /// A table, without columns in which nothing is known.
    pub(super) fn table(
        key: &'static str,
        title: &'static str,
        columns: &[Column],
        mut rows: Vec<Row>,
    ) -> Self {
        let known: Vec<bool> = (0..columns.len())
            .map(|at| {
                rows.iter()
                    .any(|row| row.cells.get(at) != Some(&Cell::Missing))
            })
            .collect();
        for row in &mut rows {
            let mut keep = known.iter();
            row.cells.retain(|_| keep.next() == Some(&true));
        }
        let kept = columns.iter().zip(&known).filter(|(_, known)| **known);
        Self {
            key,
            title,
            body: Body::Table {
                columns: kept.map(|(column, _)| *column).collect(),
                rows,
                most: usize::MAX,
            },
        }
    }

    /// The same, with no more than so many rows for people.
    pub(super) fn at_most(mut self, number: usize) -> Self {
        match &mut self.body {
            Body::Table { most, .. } => *most = number,
            Body::Values(_) => {}
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        match &self.body {
            Body::Values(values) => values.is_empty(),
            Body::Table { rows, .. } => rows.is_empty(),
        }
    }

    pub(super) fn json(&self) -> Value {
        match &self.body {
            Body::Values(values) => object(values.iter().map(|(column, cell)| (column, cell))),
            Body::Table { columns, rows, .. } => {
                let rows = rows
                    .iter()
                    .map(|row| object(columns.iter().zip(&row.cells)));
                Value::Array(rows.collect())
            }
        }
    }
}

fn object<'c>(cells: impl Iterator<Item = (&'c Column, &'c Cell)>) -> Value {
    let members = cells.filter_map(|(Column(key, _), cell)| {
        let (suffix, value) = match cell {
            Cell::Missing => return None,
            Cell::Text(text) => ("", Value::String(text.clone())),
            Cell::Is(is) => ("", Value::Bool(*is)),
            Cell::Count(number)
            | Cell::PerSecond(number)
            | Cell::Share(number)
            | Cell::Bytes(number)
            | Cell::Seconds(Estimate::About(number)) => ("", number_of(*number)?),
            Cell::Seconds(Estimate::AtLeast(number)) => ("_at_least", number_of(*number)?),
            Cell::Seconds(Estimate::AtMost(number)) => ("_at_most", number_of(*number)?),
        };
        Some((format!("{key}{suffix}"), value))
    });
    Value::Object(members.collect::<Map<_, _>>())
}

/// Whole numbers without a fraction. What is no number is left out.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what fits is looked at before"
)]
fn number_of(number: f64) -> Option<Value> {
    /// Up to here every whole number is one of `f64`'s: 2^53.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scripts_get_numbers_and_nothing_for_what_is_not_known() {
        let columns = [
            Column("what", ""),
            Column("total", ""),
            Column("p99", ""),
            Column("max", ""),
            Column("never", ""),
        ];
        let row = |text: &str, total, p99, max| Row {
            cells: vec![Cell::text(text), total, p99, max, Cell::Missing],
            is_quiet: false,
        };
        let rows = vec![
            row(
                "a",
                Cell::Count(3.0),
                Cell::Seconds(Estimate::About(0.25)),
                Cell::Seconds(Estimate::AtMost(0.5)),
            ),
            row(
                "b",
                Cell::Count(f64::NAN),
                Cell::Seconds(Estimate::AtLeast(1.0)),
                Cell::Missing,
            ),
        ];
        let section = Section::table("key", "Title", &columns, rows);
        assert_eq!(
            section.json(),
            json!([{ "what": "a", "total": 3, "p99": 0.25, "max_at_most": 0.5 }, { "what": "b", "p99_at_least": 1 }])
        );
        let Body::Table { columns, .. } = &section.body else {
            panic!("{section:?}");
        };
        assert_eq!(
            columns.len(),
            4,
            "a column of which nothing is known is not there"
        );

        let values = [
            (Column("open", ""), Cell::Is(true)),
            (Column("absent", ""), Cell::count(None)),
        ];
        let section = Section::values("key", "Title", values);
        assert_eq!(section.json(), json!({ "open": true }));
    }
}
