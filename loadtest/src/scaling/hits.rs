//! How much of a popularity a memory of some size answers.
//!
//! Promises: for each exponent the same draws go to an instance of each size, which knows nothing at first; hits are
//! counted by Sidegate over the last of them. Why the others were missed is told apart: asked for the first time,
//! pushed out, too old, changed.
//!
//! Does not: depend on how fast it is asked, but for what is kept for seconds only, and says how much that is.

use std::sync::Arc;

use super::ask::{Questions, ask};
use super::known::Known;
use super::quantity::{number, per, percent, whole};
use super::{SEED, Scale, ScalingError};
use crate::document::Table;
use crate::figure;
use crate::scenario::{Draw, Drawing, Further, Ground};
use crate::scrape::Scrape;

/// Of one exponent and one size; shares of all questions.
#[derive(Debug, Clone, Copy, Default)]
struct Found {
    size: u64,
    /// Rows in memory at the end.
    rows: f64,
    /// Answered from memory.
    hits: f64,
    /// The others, by what was wrong with the row that was missing.
    absent: f64,
    expired: f64,
    touched: f64,
    /// Whose rows were there, and waited for one more poll.
    apart: f64,
}

/// Of one exponent.
struct Line {
    exponent: f64,
    /// What a memory without bounds would have answered.
    bound: f64,
    found: Vec<Found>,
}

pub(super) async fn measure(
    ground: &Ground,
    scale: &Scale,
    step: &mut impl FnMut(&str),
) -> Result<Vec<Table>, ScalingError> {
    let mut lines = Vec::with_capacity(EXPONENTS.len());
    for exponent in EXPONENTS {
        let draw = Draw::zipf(scale.generations, exponent)?;
        let mut line = Line {
            exponent,
            bound: bound(ground, &draw, scale.draws),
            found: Vec::with_capacity(scale.sizes.len()),
        };
        for size in scale.sizes {
            step(&format!("exponent {exponent:.1}, {size} MB"));
            line.found
                .push(one(ground, &draw, *size, scale.draws).await?);
        }
        lines.push(line);
    }
    Ok(vec![hits(&lines, scale), misses(&lines, scale)])
}

async fn one(
    ground: &Ground,
    draw: &Draw,
    size: u64,
    [before, counted]: [u64; 2],
) -> Result<Found, ScalingError> {
    let sections = format!("cache: {{ l1_size_mb: {size} }}\n");
    let further = Further {
        sections: &sections,
        ..Further::default()
    };
    let sidegate = ground.another(further).await?;
    let questions = |first, count| Questions {
        draw: draw.clone(),
        first,
        count,
        clients: CLIENTS,
    };
    ask(ground, &sidegate, questions(0, before)).await?;
    let earlier = sidegate.scrape().await?;
    ask(ground, &sidegate, questions(before, counted)).await?;
    Ok(Found::between(&earlier, &sidegate.scrape().await?, size))
}

impl Found {
    fn between(earlier: &Scrape, later: &Scrape, size: u64) -> Self {
        let more =
            |metric, labels: &[&str]| later.sum(metric, labels) - earlier.sum(metric, labels);
        let all = more("sidegate_answers_total", &[]);
        let looks = |result: &str| {
            let labels = ["tier=\"l1\"", &format!("result=\"{result}\"")];
            more("sidegate_cache_lookups_total", &labels)
        };
        let (absent, expired, touched) = (looks("absent"), looks("expired"), looks("touched"));
        let hits = per(more("sidegate_answers_total", &["tier=\"l1\""]), all);
        // A question may look more than once before it is asked elsewhere.
        let share = |looks: f64| per(looks * (1.0 - hits), absent + expired + touched);
        Self {
            size,
            rows: later.sum("sidegate_cache_entries", &["tier=\"l1\""]),
            hits,
            absent: share(absent),
            expired: share(expired),
            touched: share(touched),
            apart: per(more("sidegate_cache_apart_total", &[]), all),
        }
    }
}

/// The share of the counted draws whose rows were all read for an earlier one.
fn bound(ground: &Ground, draw: &Draw, [before, counted]: [u64; 2]) -> f64 {
    let drawing = Drawing {
        cast: Arc::clone(&ground.cast),
        draw: draw.clone(),
        seed: SEED,
    };
    let mut known = Known::new(ground.cast.set());
    let mut hits = 0;
    for index in 0..before + counted {
        let is_known = drawing.pair(index).is_some_and(|pair| known.ask(pair));
        hits += u64::from(is_known && index >= before);
    }
    per(number(hits), number(counted))
}

fn hits(lines: &[Line], scale: &Scale) -> Table {
    let sizes = scale.sizes.iter().map(|size| format!("{size} MB"));
    let row = |line: &Line| {
        let found = line.found.iter().map(|found| percent(found.hits));
        let first = [format!("{:.1}", line.exponent)];
        let last = [percent(line.bound)];
        first.into_iter().chain(found).chain(last).collect()
    };
    let [before, counted] = scale.draws.map(figure::count);
    Table {
        title: "Hits by the size of the memory".to_owned(),
        columns: ["exponent".to_owned()]
            .into_iter()
            .chain(sizes)
            .chain(["without bounds".to_owned()])
            .collect(),
        rows: lines.iter().map(row).collect(),
        notes: vec![
            format!(
                "Of the questions, those that memory answered. {} generations, by popularity (Zipf, with this exponent), asked \
                 for by those who may read them; {before} draws first, then {counted} that are counted; {CLIENTS} clients that wait \
                 for their answers. The size is `cache.l1_size_mb`, shipped as 200.",
                figure::count(scale.generations)
            ),
            "Without bounds: computed from the same draws; the rest of them needs a row for the first time, and no memory can \
             know it."
                .to_owned(),
        ],
    }
}

fn misses(lines: &[Line], scale: &Scale) -> Table {
    let row = |line: &Line, found: &Found| {
        let first = (1.0 - line.bound).min(found.absent);
        vec![
            format!("{:.1}, {} MB", line.exponent, found.size),
            figure::count(whole(found.rows)),
            percent(found.hits),
            percent(first),
            percent(found.absent - first),
            percent(found.expired),
            percent(found.touched),
            percent(found.apart),
        ]
    };
    let each = lines
        .iter()
        .flat_map(|line| line.found.iter().map(move |found| row(line, found)));
    let [_before, counted] = scale.draws.map(figure::count);
    Table {
        title: "Why the others were missed".to_owned(),
        columns: [
            "exponent, size",
            "rows in memory",
            "from memory",
            "for the first time",
            "pushed out",
            "too old",
            "changed",
            "waited for a poll",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows: each.collect(),
        notes: vec![
            format!(
                "Of the {counted} questions that are counted. Those that memory did not answer are split as the looks are that found a row \
                 missing: a look ends at the first such row, and a question may look again. Waited for a poll: all rows were there, \
                 but not known to be of one instant; most of these are among those from memory."
            ),
            "For the first time: computed, as in the table before. Too old: that there is no membership is kept for 5 s \
             (`cache.negative_ttl`) and everything else for 5 minutes or more, so these are readers who are in no team: owners, and \
             anybody where a project is public. A faster load meets fewer of them, a slower one more; no size does."
                .to_owned(),
        ],
    }
}

const EXPONENTS: [f64; 4] = [0.8, 0.9, 1.0, 1.1];
const CLIENTS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_told_apart() {
        let earlier = Scrape::default();
        let later = Scrape::parse(
            "sidegate_answers_total{tier=\"l1\"} 70\nsidegate_answers_total{tier=\"l2\"} 10\n\
             sidegate_answers_total{tier=\"store\"} 20\n\
             sidegate_cache_lookups_total{class=\"direct_ownership\",result=\"absent\",tier=\"l1\"} 20\n\
             sidegate_cache_lookups_total{class=\"team_access\",result=\"absent\",tier=\"l1\"} 5\n\
             sidegate_cache_lookups_total{class=\"team_access\",result=\"expired\",tier=\"l1\"} 5\n\
             sidegate_cache_lookups_total{class=\"answer\",result=\"absent\",tier=\"l2\"} 30\n",
        )
        .unwrap();
        let line = Line {
            exponent: 1.0,
            bound: 0.9,
            found: vec![Found::between(&earlier, &later, 4)],
        };
        let lines = [line];
        let row = &misses(&lines, &Scale::SHORT).rows[0];
        assert_eq!(
            row[2..7],
            ["70.00 %", "10.00 %", "15.00 %", "5.00 %", "0.00 %"]
        );
        assert_eq!(
            hits(&lines, &Scale::SHORT).rows[0],
            ["1.0", "70.00 %", "90.00 %"]
        );
    }
}
