//! The Prometheus text format (0.0.4), read.
//!
//! Promise: what is not of the format is refused with its line, and so is a text that was cut off or names
//! one series twice: half an answer is never taken for a whole one.
//!
//! Does not: keep types, help texts and timestamps; nor tell a metric that is unknown here from others.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The labels of a series: names and values.
pub(super) type Labels = BTreeMap<String, String>;

/// Every series of one reading, by the name of its metric.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposition(BTreeMap<String, BTreeMap<Labels, f64>>);

/// Where a text is not of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ExpositionError {
    /// The line, from 1 on.
    pub line: usize,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What can be wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not begin with a metric's name.
    #[error("expected the name of a metric")]
    Name,
    /// Its labels are not `{name="value",…}`, or one is there twice.
    #[error("expected labels as {{name=\"value\"}}, each once")]
    Labels,
    /// No number, or something after it that is no timestamp.
    #[error("expected a number, and nothing after it but a timestamp")]
    Value,
    /// A `# TYPE` that says something else.
    #[error("expected `# TYPE`, a name and a type of the format")]
    Type,
    /// This series was there before.
    #[error("a series is there twice")]
    Doubled,
    /// It does not end with a line feed.
    #[error("the text is cut off")]
    CutOff,
}

impl FromStr for Exposition {
    type Err = ExpositionError;

    fn from_str(text: &str) -> Result<Self, ExpositionError> {
        let mut read = Self::default();
        let mut last = 0;
        for (index, line) in text.lines().enumerate() {
            last = index.saturating_add(1);
            read.line(line.trim())
                .map_err(|fault| ExpositionError { line: last, fault })?;
        }
        if text.is_empty() || text.ends_with('\n') {
            Ok(read)
        } else {
            let fault = Fault::CutOff;
            Err(ExpositionError { line: last, fault })
        }
    }
}

impl Exposition {
    /// The sum of a metric's series that have these labels; `None`: there is none.
    pub(super) fn sum(&self, name: &str, having: &[(&str, &str)]) -> Option<f64> {
        let found = self.series(name).filter(|(labels, _)| {
            let has = |(label, value): &(&str, &str)| {
                labels.get(*label).is_some_and(|known| known == value)
            };
            having.iter().all(has)
        });
        found
            .map(|(_, value)| value)
            .reduce(|one, other| one + other)
    }

    /// The values of a label, in order, with the sum of the series that have them.
    pub(super) fn by<'e>(&'e self, name: &str, label: &str) -> BTreeMap<&'e str, f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.series(name) {
            let key = labels.get(label).map_or("", String::as_str);
            *sums.entry(key).or_insert(0.0) += value;
        }
        sums
    }

    /// The series of a metric.
    pub(super) fn series<'e>(
        &'e self,
        name: &str,
    ) -> impl Iterator<Item = (&'e Labels, f64)> + use<'e> {
        let series = self.0.get(name).into_iter().flatten();
        series.map(|(labels, value)| (labels, *value))
    }

    /// What was counted since an earlier reading: counters and the buckets of histograms.
    ///
    /// Where one series of a metric went down, all of its series have begun anew: what counts them was
    /// started again, or replaced by a reload.
    pub(super) fn since(&self, before: &Self) -> Self {
        let counts = |name: &&String| name.ends_with("_total") || name.ends_with("_bucket");
        let mut grown = BTreeMap::new();
        for name in self.0.keys().filter(counts) {
            let earlier = |labels| before.0.get(name)?.get(labels).copied();
            let begun_anew = self
                .series(name)
                .any(|(labels, value)| earlier(labels).is_some_and(|earlier| value < earlier));
            let growth = self.series(name).map(|(labels, value)| {
                let from = earlier(labels).filter(|_| !begun_anew).unwrap_or_default();
                (labels.clone(), value - from)
            });
            grown.insert(name.clone(), growth.collect());
        }
        Self(grown)
    }

    fn line(&mut self, line: &str) -> Result<(), Fault> {
        if line.is_empty() {
            return Ok(());
        }
        if let Some(comment) = line.strip_prefix('#') {
            return check_type(comment);
        }
        let (name, labels, value) = sample(line)?;
        let series = self.0.entry(name.to_owned()).or_default();
        match series.insert(labels, value) {
            None => Ok(()),
            Some(_) => Err(Fault::Doubled),
        }
    }
}

fn check_type(comment: &str) -> Result<(), Fault> {
    let mut words = comment.split_ascii_whitespace();
    if words.next() != Some("TYPE") {
        return Ok(());
    }
    let (Some(name), Some(kind), None) = (words.next(), words.next(), words.next()) else {
        return Err(Fault::Type);
    };
    let kinds = ["counter", "gauge", "histogram", "summary", "untyped"];
    if is_name(name, true) && kinds.contains(&kind) {
        Ok(())
    } else {
        Err(Fault::Type)
    }
}

fn sample(line: &str) -> Result<(&str, Labels, f64), Fault> {
    let end = line.find(['{', ' ', '\t']).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !is_name(name, true) {
        return Err(Fault::Name);
    }
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Labels::new(), rest),
    };
    let mut words = rest.split_ascii_whitespace();
    let value = words.next().and_then(|word| word.parse().ok());
    let timestamp = words.next().map(str::parse::<i64>).transpose();
    match (value, timestamp, words.next()) {
        (Some(value), Ok(_), None) => Ok((name, labels, value)),
        _ => Err(Fault::Value),
    }
}

/// What follows `{`, and what follows its `}`.
fn labels(inside: &str) -> Result<(Labels, &str), Fault> {
    let mut labels = Labels::new();
    let mut rest = inside.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok((labels, after));
        }
        let (name, after) = rest.split_once('=').ok_or(Fault::Labels)?;
        let name = name.trim_end();
        let quoted = after.trim_start().strip_prefix('"').ok_or(Fault::Labels)?;
        let (value, after) = unquoted(quoted)?;
        if !is_name(name, false) || labels.insert(name.to_owned(), value).is_some() {
            return Err(Fault::Labels);
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if after.starts_with('}') => after,
            None => return Err(Fault::Labels),
        };
    }
}

/// A label's value, and what follows its closing quote.
fn unquoted(text: &str) -> Result<(String, &str), Fault> {
    let mut value = String::new();
    let mut characters = text.chars();
    loop {
        let next = characters.next().ok_or(Fault::Labels)?;
        value.push(match next {
            '"' => return Ok((value, characters.as_str())),
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some(escaped @ ('\\' | '"')) => escaped,
                Some(_) | None => return Err(Fault::Labels),
            },
            plain => plain,
        });
    }
}

/// Metrics may have colons in their names, labels may not.
fn is_name(text: &str, of_a_metric: bool) -> bool {
    let good = |one: char| one.is_ascii_alphanumeric() || one == '_' || (of_a_metric && one == ':');
    !text.is_empty()
        && text.chars().all(good)
        && !text.starts_with(|one: char| one.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Exposition {
        text.parse().unwrap()
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = "# HELP a what it \"says\" {\n# TYPE a counter\n# a comment\n\n\
            a{x=\"1\",y=\"a \\\"b\\\" \\\\ \\n}\"} 3\na{ x = \"2\" , } 4.5 1700000000000\n\
            b NaN\nb:c 1e3\nd_bucket{le=\"+Inf\"} +Inf\n";
        let read = read(text);
        assert_eq!(read.sum("a", &[]), Some(7.5));
        assert_eq!(read.sum("a", &[("y", "a \"b\" \\ \n}")]), Some(3.0));
        assert_eq!(read.sum("a", &[("x", "3")]), None);
        assert_eq!(read.by("a", "x"), [("1", 3.0), ("2", 4.5)].into());
        assert!(read.sum("b", &[]).unwrap().is_nan());
        assert_eq!(read.sum("b:c", &[]), Some(1000.0));
        assert_eq!(read.sum("d_bucket", &[]), Some(f64::INFINITY));
        assert_eq!(read.sum("absent", &[]), None);
        assert_eq!("".parse(), Ok(Exposition::default()));
    }

    #[test]
    fn what_is_not_of_the_format_is_refused_with_its_line() {
        for (line, fault) in [
            ("<html>", Fault::Name),
            ("1a 2", Fault::Name),
            ("{x=\"1\"} 2", Fault::Name),
            ("a", Fault::Value),
            ("a one", Fault::Value),
            ("a 1 2 3", Fault::Value),
            ("a 1 soon", Fault::Value),
            ("a{x=\"1\"}", Fault::Value),
            ("a{x=1} 2", Fault::Labels),
            ("a{x=\"1} 2", Fault::Labels),
            ("a{x=\"1\\q\"} 2", Fault::Labels),
            ("a{x=\"1\" y=\"2\"} 2", Fault::Labels),
            ("a{x=\"1\",x=\"2\"} 2", Fault::Labels),
            ("a{:=\"1\"} 2", Fault::Labels),
            ("a{,} 2", Fault::Labels),
            ("a{x=\"1\"", Fault::Labels),
            ("# TYPE a", Fault::Type),
            ("# TYPE a fraction", Fault::Type),
            ("good{y=\"2\",x=\"1\"} 7", Fault::Doubled),
        ] {
            let text = format!("good{{x=\"1\",y=\"2\"}} 1\n{line}\n");
            let error = text.parse::<Exposition>().unwrap_err();
            assert_eq!(error, ExpositionError { line: 2, fault }, "{line}");
        }
        let cut = "a 1\nb 23".parse::<Exposition>().unwrap_err();
        assert_eq!(cut.to_string(), "line 2: the text is cut off");
    }

    #[test]
    fn growth_is_since_an_earlier_reading_and_from_zero_after_a_restart() {
        let before =
            read("a_total{x=\"1\"} 5\na_total{x=\"2\"} 7\nb_total 9\nc_bucket{le=\"1\"} 4\ng 3\n");
        let now = read(
            "a_total{x=\"1\"} 6\na_total{x=\"2\"} 7\na_total{x=\"3\"} 2\nb_total 4\nc_bucket{le=\"1\"} 9\ng 8\n",
        );
        let grown = now.since(&before);
        assert_eq!(
            grown.by("a_total", "x"),
            [("1", 1.0), ("2", 0.0), ("3", 2.0)].into()
        );
        assert_eq!(grown.sum("b_total", &[]), Some(4.0));
        assert_eq!(grown.sum("c_bucket", &[]), Some(5.0));
        assert_eq!(grown.sum("g", &[]), None, "a gauge does not grow");

        // One that is above its old value by now has begun anew as well.
        let restarted = read("a_total{x=\"1\"} 40\na_total{x=\"2\"} 1\n").since(&before);
        assert_eq!(
            restarted.by("a_total", "x"),
            [("1", 40.0), ("2", 1.0)].into()
        );
    }
}
