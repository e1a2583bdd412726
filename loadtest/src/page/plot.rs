//! Lines over two axes, drawn as SVG.
//!
//! Promises: every colour is one of [`Ink`], which `style.css` turns into those of the reader's theme and
//! into dashes; nothing has an inline style, which a strict policy would refuse.
//!
//! Does not: scale; points and marks are given as they are to be placed.

use std::ops::Range;

use plotters::chart::ChartBuilder;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::Text;
use plotters::prelude::{IntoFont, SVGBackend};
use plotters::series::LineSeries;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoTextStyle, RGBColor};
use thiserror::Error;

/// Units of the drawing, which is as wide as its place on the page.
const WIDTH: u32 = 1200;
const TEXT: u32 = 32;
const LINE: u32 = 4;

/// What there is to draw.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) height: u32,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    pub(super) marks: Vec<Mark>,
}

/// One direction.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) range: Range<f64>,
    /// Where a line crosses the plot, with a label.
    pub(super) ticks: Vec<f64>,
    pub(super) label: fn(f64) -> String,
    pub(super) name: &'static str,
}

/// A line, with gaps where its figure is not known.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) ink: Ink,
    pub(super) pieces: Vec<Vec<(f64, f64)>>,
}

/// Something that happened at one place of the x axis.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) at: f64,
    pub(super) label: String,
}

/// What is drawn, and thereby how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Text,
    Grid,
    Axis,
    P50,
    P95,
    P99,
    Answers,
    Failed,
    Before,
    After,
    Event,
}

/// The drawing itself failed.
#[derive(Debug, Error)]
#[error("the plot cannot be drawn: {0}")]
pub(super) struct PlotError(String);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self(error.to_string())
    }
}

impl Ink {
    /// As it is in a light page without style; no two are the same.
    fn color(self) -> RGBColor {
        match self {
            Self::Text => RGBColor(0x55, 0x58, 0x5E),
            Self::Grid => RGBColor(0xE3, 0xE5, 0xE8),
            Self::Axis => RGBColor(0x9A, 0x9E, 0xA6),
            Self::P50 => RGBColor(0x1F, 0x6F, 0xCC),
            Self::P95 => RGBColor(0xC2, 0x57, 0x0C),
            Self::P99 => RGBColor(0x8E, 0x3F, 0xB0),
            Self::Answers => RGBColor(0x17, 0x7A, 0x58),
            Self::Failed => RGBColor(0xC6, 0x28, 0x28),
            Self::Before => RGBColor(0x75, 0x78, 0x7E),
            Self::After => RGBColor(0x1F, 0x6F, 0xCD),
            Self::Event => RGBColor(0x3B, 0x3D, 0x42),
        }
    }

    /// As it is written in an SVG.
    pub(super) fn hex(self) -> String {
        let RGBColor(red, green, blue) = self.color();
        format!("#{red:02X}{green:02X}{blue:02X}")
    }
}

/// An axis decides itself where its ticks are.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        (self.label)(*value)
    }
}

impl Plot {
    /// The drawing, as an element for a page.
    pub(super) fn draw(&self) -> Result<String, PlotError> {
        let mut svg = String::new();
        self.draw_into(&mut svg)?;
        Ok(svg)
    }

    fn draw_into(&self, svg: &mut String) -> Result<(), PlotError> {
        let root = SVGBackend::with_string(svg, (WIDTH, self.height)).into_drawing_area();
        let (x, y) = (&self.x, &self.y);
        let font = ("sans-serif", TEXT).into_font();
        let text = font.color(&Ink::Text.color());
        let mut chart = ChartBuilder::on(&root)
            .margin_top(16)
            .margin_right(36)
            .x_label_area_size(96)
            .y_label_area_size(160)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .bold_line_style(Ink::Grid.color().stroke_width(2))
            .light_line_style(Ink::Grid.color().mix(0.0))
            .axis_style(Ink::Axis.color().stroke_width(2))
            .label_style(text.clone())
            .axis_desc_style(text.clone())
            .x_desc(x.name)
            .y_desc(y.name)
            .draw()?;
        for mark in &self.marks {
            let ends = [(mark.at, y.range.start), (mark.at, y.range.end)];
            let style = Ink::Event.color().stroke_width(2);
            chart.draw_series(LineSeries::new(ends, style))?;
        }
        for (mark, place) in self.marks.iter().zip(0_u8..) {
            let (label, at, side) = self.label(mark, place);
            let style = font.color(&Ink::Event.color());
            let style = style.pos(Pos::new(side, VPos::Top));
            chart.draw_series([Text::new(label, at, style.into_text_style(&root))])?;
        }
        for line in &self.lines {
            for piece in &line.pieces {
                let style = line.ink.color().stroke_width(LINE);
                chart.draw_series(LineSeries::new(piece.iter().copied(), style))?;
            }
        }
        root.present()?;
        Ok(())
    }

    /// The text of a mark, where it is to be, and the side that it is anchored at.
    fn label(&self, mark: &Mark, place: u8) -> (String, (f64, f64), HPos) {
        let (x, y) = (&self.x.range, &self.y.range);
        // Beside each other they would overlap.
        let lane = f64::from(place % LANES) * 1.15 * f64::from(TEXT) / f64::from(self.height);
        let at = (mark.at, y.end - lane * (y.end - y.start));
        if mark.at > f64::midpoint(x.start, x.end) {
            (format!("{}\u{a0}", mark.label), at, HPos::Right)
        } else {
            (format!("\u{a0}{}", mark.label), at, HPos::Left)
        }
    }
}

/// Marks that are near each other write their labels at so many heights.
const LANES: u8 = 4;

/// Round steps from 0 to at least `high`: the range, and its ticks.
pub(super) fn steps(high: f64) -> (Range<f64>, Vec<f64>) {
    let high = if high > 0.0 { high } else { 1.0 };
    let power = 10_f64.powf((high / 6.0).log10().floor());
    let sizes = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter();
    let mut sizes = sizes.map(|size| size * power);
    let step = sizes.find(|step| high / step <= 6.0).unwrap_or(high);
    let ticks = (0_u8..=6).map(|place| f64::from(place) * step);
    let end = (high / step).ceil() * step;
    (0.0..end, ticks.filter(|tick| *tick <= end).collect())
}
