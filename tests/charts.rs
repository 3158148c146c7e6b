//! Charts are well-formed, state what they show, name every colour, keep their texts apart, and are the same twice.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::Bytes;
use memgraph::formats;
use memgraph::graph::Graph;
use memgraph::phases;
use memgraph::pipeline::{llm, parts, vit, vlm};
use memgraph::report::model::Report;
use memgraph::report::pipeline::{self, PipelineSubject};
use memgraph::report::svg::{self, Chart, Drawing};
use memgraph::report::{self, By, Subject};
use memgraph::runtime::Runtime;
use memgraph::runtime::graph::Exported;
use memgraph::runtime::openvino_cpu::OpenvinoCpu;
use memgraph::runtime::openvino_gpu::OpenvinoGpu;
use memgraph::scenario::Scenario;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A run: its runtime, its file and its passes.
struct Run {
    runtime: Box<dyn Runtime>,
    file: PathBuf,
    passes: Vec<(phases::PhaseName, Scenario)>,
}

impl Run {
    fn chart(&self, chart: Chart) -> String {
        self.draw(&chart.into()).0
    }

    /// The document, and the report of the same run.
    fn draw(&self, drawing: &Drawing) -> (String, Report) {
        let graph = formats::open(&self.file).unwrap();
        let planner = self.runtime.planner();
        let phases = phases::run(&graph, &self.passes, &*self.runtime, planner).unwrap();
        let subject = Subject::new(&graph, &*self.runtime, planner, &phases);
        (svg::render(&subject, drawing).unwrap(), report::build(&subject))
    }
}

/// The run that the README shows.
fn qwen(part: llm::Part, runtime: impl Runtime + 'static) -> Run {
    // From the package's folder, as a user would name it: no path of this machine is in the picture.
    let folder = Path::new("fixtures/qwen2.5-0.5b-fp16");
    let base = Scenario::default().with(|run| {
        run.config = formats::config::read(folder).unwrap();
        run.batch = Some(1);
    });
    let passes = llm::phases(&base, 1813, part, &runtime);
    Run { file: llm::file(folder).unwrap(), passes, runtime: Box::new(runtime) }
}

fn vit() -> Run {
    let folder = root().join("fixtures/vit-base-p16-224-fp16");
    let base = Scenario::default().with(|run| run.config = formats::config::read(&folder).unwrap());
    let passes = vec![(phases::PhaseName::Infer, vit::scenario(&base, Some(196)).unwrap())];
    Run { file: folder.join("openvino_model.xml"), passes, runtime: Box::new(OpenvinoCpu::default()) }
}

/// A model without attention blocks.
fn resnet() -> Run {
    let file = root().join("fixtures/resnet50-fp32/openvino_model.xml");
    let inputs = vec![("x".to_owned(), [2, 3, 224, 224].into_iter().collect())];
    let passes = vec![(phases::PhaseName::Infer, Scenario::default().with(|run| run.inputs = inputs))];
    Run { file, passes, runtime: Box::new(OpenvinoCpu::default()) }
}

fn generate() -> Run {
    qwen(llm::Part::Generate { new_tokens: 64 }, OpenvinoCpu::default())
}

fn runs() -> Vec<(&'static str, Run)> {
    let prefill = llm::Part::Prefill;
    vec![
        ("qwen", qwen(prefill, OpenvinoCpu::default())),
        ("qwen as exported", qwen(prefill, Exported)),
        ("generate", generate()),
        ("vit", vit()),
        ("resnet", resnet()),
    ]
}

fn pictures() -> &'static [(String, String)] {
    static PICTURES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    PICTURES.get_or_init(|| {
        let charts = |(name, run): (&str, Run)| {
            Chart::ALL.map(|chart| (format!("{name} {}", chart.name()), run.chart(chart)))
        };
        let mut all: Vec<_> = runs().into_iter().flat_map(charts).collect();
        all.push((
            "qwen all".to_owned(),
            qwen(llm::Part::Prefill, OpenvinoCpu::default()).draw(&Drawing::default()).0,
        ));
        let report = pipeline_report();
        all.push(("pipeline".to_owned(), svg::render_report(&report, &Drawing::default()).unwrap()));
        all
    })
}

/// An element of a document: its name, attributes, text and children's titles; moved where its group is.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    title: String,
    down: f64,
}

impl Element {
    fn number(&self, key: &str) -> f64 {
        self.attributes[key].parse().unwrap()
    }

    fn class(&self) -> &str {
        self.attributes.get("class").map_or("", String::as_str)
    }

    /// A class of the colour table, if the element is filled with one.
    fn color(&self) -> Option<&str> {
        let is_color = |class: &&str| {
            class.starts_with("k-") || class.strip_prefix('p').is_some_and(|rest| rest.parse::<u32>().is_ok())
        };
        self.class().split(' ').find(is_color)
    }

    fn is_legend(&self) -> bool {
        self.name == "rect"
            && self.number("width") == 10.0
            && self.number("height") == 10.0
            && self.title.is_empty()
    }
}

fn elements(document: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(document);
    let mut found: Vec<Element> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    (attribute.key.as_ref().to_owned(), attribute.value.into_owned())
                });
                let name = tag.name().as_ref().to_owned();
                let attributes: BTreeMap<String, String> = attributes.collect();
                let own = attributes.get("transform").map_or(0.0, |moved| {
                    moved.trim_start_matches("translate(0,").trim_end_matches(')').parse().unwrap()
                });
                let down = own + open.last().map_or(0.0, |&last| found[last].down);
                found.push(Element { name, attributes, down, ..Element::default() });
                if matches!(event, Event::Start(_)) {
                    open.push(found.len() - 1);
                }
            }
            Event::Text(text) => {
                if let Some(&last) = open.last() {
                    let text = text.trim();
                    found[last].text.push_str(text);
                    if found[last].name == "title" && open.len() > 1 {
                        found[open[open.len() - 2]].title.push_str(text);
                    }
                }
            }
            Event::End(_) => drop(open.pop().unwrap()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    found
}

/// Left, top, right, bottom.
type Frame = [f64; 4];

fn overlap(a: &Frame, b: &Frame) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Where a text element is, by the mean width of a letter in common sans-serif fonts.
fn frame(text: &Element) -> Frame {
    let size = text.number("font-size");
    let width = text.text.chars().count() as f64 * size * 0.46;
    let (x, y) = (text.number("x"), text.number("y") - size * 0.36 + text.down);
    let left = match text.attributes["text-anchor"].as_str() {
        "start" => x,
        "middle" => x - width / 2.0,
        "end" => x - width,
        other => panic!("text-anchor {other}"),
    };
    [left, y - size / 2.0, left + width, y + size / 2.0]
}

fn desc(document: &str) -> String {
    elements(document).into_iter().find(|element| element.name == "desc").unwrap().text
}

#[test]
fn documents_state_what_they_show() {
    for (name, text) in pictures() {
        let elements = elements(text);
        assert_eq!(elements[0].name, "svg", "{name}");
        for wanted in ["title", "desc"] {
            let found = elements.iter().find(|element| element.name == wanted);
            assert!(found.is_some_and(|element| element.text.len() > 20), "{name}: no {wanted}");
        }
        let version = format!("memgraph {} · ", env!("CARGO_PKG_VERSION"));
        assert!(elements.iter().any(|element| element.text.starts_with(&version)), "{name}: no caption");
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name} names a folder of this machine");
        assert!(!text.contains(" 1 tokens") && !text.contains(" 1 patches"), "{name}: one is singular");
    }
}

#[test]
fn texts_are_apart_and_inside() {
    for (name, text) in pictures() {
        let elements = elements(text);
        let (width, height) = (elements[0].number("width"), elements[0].number("height"));
        assert_eq!(width, 800.0, "{name}");
        let texts: Vec<_> = elements.iter().filter(|element| element.name == "text").collect();
        assert!(texts.len() >= 7, "{name}: {} texts", texts.len());
        for (index, one) in texts.iter().enumerate() {
            let [left, top, right, bottom] = frame(one);
            assert!(left >= 0.0 && top >= 0.0 && right <= width && bottom <= height, "{name}: {one:?}");
            for other in &texts[..index] {
                assert!(!overlap(&frame(one), &frame(other)), "{name}: {one:?} over {other:?}");
            }
        }
    }
}

#[test]
fn a_legend_names_every_colour_that_is_drawn() {
    for (name, text) in pictures() {
        let elements = elements(text);
        let colors = |is_legend: bool| -> BTreeSet<&str> {
            let found = elements.iter().filter(|element| element.is_legend() == is_legend);
            found.filter_map(Element::color).collect()
        };
        let (drawn, named) = (colors(false), colors(true));
        assert!(!drawn.is_empty() && drawn.is_subset(&named), "{name}: drawn {drawn:?}, named {named:?}");
    }
}

#[test]
fn legends_of_charts_over_time_begin_with_the_largest() {
    let text = vit().chart(Chart::Pressure);
    let elements = elements(&text);
    let classes: Vec<_> =
        elements.iter().filter(|element| element.is_legend()).filter_map(Element::color).collect();
    assert_eq!(classes[..2], ["k-packed", "k-mapped"], "{classes:?}");
}

#[test]
fn every_bar_and_box_has_words_to_hover_over() {
    for (name, text) in pictures() {
        for element in
            elements(text).iter().filter(|element| element.color().is_some() && !element.is_legend())
        {
            assert!(!element.title.is_empty(), "{name}: {element:?}");
        }
    }
}

#[test]
fn every_chart_has_the_same_colours_light_and_dark() {
    let style = |text: &str| text[text.find("<style>").unwrap()..text.find("</style>").unwrap()].to_owned();
    let first = style(&pictures()[0].1);
    assert!(first.contains("@media(prefers-color-scheme:dark)"));
    for (name, text) in pictures() {
        assert_eq!(style(text), first, "{name}");
        // Colours come from the style alone.
        assert!(!text.replace(&first, "").contains("fill=\""), "{name}");
    }
}

#[test]
fn marks_are_inside_of_the_picture() {
    for (name, text) in
        pictures().iter().filter(|(name, _)| name.ends_with("pressure") || name.ends_with("arena"))
    {
        let elements = elements(text);
        let dots: Vec<_> = elements.iter().filter(|element| element.name == "circle").collect();
        assert!(!dots.is_empty(), "{name}");
        for dot in dots {
            let (x, y) = (dot.number("cx"), dot.number("cy"));
            assert!(
                (78.0..=788.0).contains(&x) && y > 60.0 && y < elements[0].number("height") - 40.0,
                "{name}: {dot:?}"
            );
            assert!(dot.number("r") >= 3.0, "{name}");
        }
    }
}

/// The label states the same figure, step and node as the report.
#[test]
fn the_peak_is_that_of_the_report() {
    for (name, run) in runs() {
        let (text, report) = run.draw(&Chart::Pressure.into());
        let words = format!("eak {}", Bytes(report.totals.total_bytes));
        let at = format!(": step {}, {}", report.peak.step, report.peak.node);
        let desc = desc(&text);
        assert!(desc.contains(&words) && desc.contains(&at), "{name}: {words}{at} is not in {desc}");
    }
}

/// Its dot is as high as the dashed line of the total, and the areas reach up to it.
#[test]
fn the_areas_reach_up_to_the_peak() {
    for (name, run) in runs() {
        let elements = elements(&run.chart(Chart::Pressure));
        let dot = elements.iter().rfind(|element| element.name == "circle").unwrap();
        let tops = elements.iter().filter(|element| element.name == "polygon").flat_map(|area| {
            let points = area.attributes["points"].split_whitespace();
            points.map(|point| point.split_once(',').unwrap().1.parse::<f64>().unwrap()).collect::<Vec<_>>()
        });
        let top = tops.fold(f64::INFINITY, f64::min);
        assert!(
            (top - dot.number("cy")).abs() <= 1.0,
            "{name}: areas up to {top}, dot at {}",
            dot.number("cy")
        );
    }
}

/// A block states where each output is: the KV cache has memory of its own, the next block writes to the same regions.
#[test]
fn a_block_shows_its_operators_and_where_they_write() {
    let text = qwen(llm::Part::Prefill, OpenvinoCpu::default()).chart(Chart::Block);
    let words: Vec<String> = elements(&text)
        .into_iter()
        .filter(|element| element.name == "text")
        .map(|element| element.text)
        .collect();
    let has = |wanted: &str| words.iter().any(|words| words == wanted);
    for wanted in [
        "RMS",
        "RoPE",
        "ScaledDotProductAttention",
        "FullyConnected",
        "mlp.gate_proj + Swish",
        "1x1813x4864 bf16",
    ] {
        assert!(has(wanted), "no {wanted} in {words:?}");
    }
    assert_eq!(words.iter().filter(|words| *words == "own: KV cache").count(), 2);
    assert!(words.iter().any(|words| words.starts_with("R1 at ")) && has("x24"), "{words:?}");
    assert!(has("then layer 2, in the same memory"), "{words:?}");
    assert!(text.contains("class=\"shade\"") && text.contains("class=\"own\""));
    assert!(desc(&text).contains("of what layer 2 writes is in bytes that layer 1 wrote to before"));
}

/// Bars of buffers that are alive together have no pixel in common.
#[test]
fn bars_of_a_block_share_no_pixel() {
    for (name, run) in runs() {
        let elements = elements(&run.chart(Chart::Block));
        let bars = elements.iter().filter(|element| element.name == "rect" && element.color().is_some());
        let frames: Vec<Frame> = bars
            .map(|rect| {
                let (x, y) = (rect.number("x"), rect.number("y"));
                [x, y, x + rect.number("width"), y + rect.number("height")]
            })
            .collect();
        for (index, one) in frames.iter().enumerate() {
            for other in &frames[..index] {
                assert!(!overlap(one, other), "{name}: {one:?} over {other:?}");
            }
        }
    }
}

#[test]
fn a_block_that_is_not_there_is_an_error_with_those_that_are() {
    let run = vit();
    let graph = formats::open(&run.file).unwrap();
    let phases = phases::run(&graph, &run.passes, &*run.runtime, run.runtime.planner()).unwrap();
    let subject = Subject::new(&graph, &*run.runtime, run.runtime.planner(), &phases);
    let mut drawing = Drawing::from(Chart::Block);
    drawing.layer = Some(11);
    assert!(svg::render(&subject, &drawing).unwrap().contains(">Layer 11 of "));
    drawing.layer = Some(12);
    let error = svg::render(&subject, &drawing).unwrap_err();
    assert!(error.to_string().contains("from 0 (layer 0) to 11 (layer 11)"), "{error}");
}

#[test]
fn the_arena_of_a_generation_is_not_empty() {
    let elements = elements(&generate().chart(Chart::Arena));
    let boxes = elements.iter().filter(|element| element.color().is_some() && !element.is_legend()).count();
    assert!(boxes > 100, "{boxes} boxes");
}

#[test]
fn a_generation_shows_all_its_phases() {
    let text = generate().chart(Chart::Pressure);
    for phase in ["load", "compile", "prefill: 1813 tokens, KV cache 43.16 MiB", "decode: 1876 tokens"] {
        assert!(text.contains(&format!(">{phase}")), "no {phase}");
    }
}

#[test]
fn a_budget_is_a_line_with_its_figure() {
    let mut drawing = Drawing::from(Chart::Pressure);
    drawing.budget = Some(Bytes(4 << 30));
    let text = qwen(llm::Part::Prefill, OpenvinoCpu::default()).draw(&drawing).0;
    assert!(text.contains("limit-line") && text.contains(">budget 4.00 GiB<"));
    drawing.budget = Some(Bytes(8 << 30));
    let text = svg::render_report(&pipeline_report(), &drawing).unwrap();
    assert!(text.contains("class=\"limit-line\"") && text.contains(">budget 8.00 GiB<"));
}

#[test]
fn boxes_of_the_arena_share_no_pixel() {
    for (name, run) in [("qwen", qwen(llm::Part::Prefill, Exported)), ("vit", vit())] {
        let elements = elements(&run.chart(Chart::Arena));
        let rects = elements.iter().filter(|element| element.name == "rect" && element.color().is_some());
        let frames: Vec<Frame> = rects
            .map(|rect| {
                let (x, y) = (rect.number("x"), rect.number("y"));
                [x, y, x + rect.number("width"), y + rect.number("height")]
            })
            .collect();
        assert!(frames.len() > 100, "{name}: {} boxes", frames.len());
        for (index, one) in frames.iter().enumerate() {
            assert!(one[0] < one[2] && one[1] < one[3], "{name}: {one:?} is empty");
            for other in &frames[..index] {
                assert!(!overlap(one, other), "{name}: {one:?} over {other:?}");
            }
        }
    }
}

#[test]
fn bars_of_the_breakdown_add_up() {
    let desc = desc(&qwen(llm::Part::Prefill, Exported).chart(Chart::Breakdown));
    let wanted =
        "buffers, inputs and outputs 1.14 GiB, weights, mapped file 942.29 MiB, KV cache and state 42.49 MiB";
    assert!(desc.contains(wanted), "{desc}");
}

#[test]
fn equal_siblings_are_one_bar() {
    let mut run = qwen(llm::Part::Prefill, OpenvinoCpu::default());
    let graph = formats::open(&run.file).unwrap();
    let phases =
        phases::run(&graph, &std::mem::take(&mut run.passes), &*run.runtime, run.runtime.planner()).unwrap();
    let mut subject = Subject::new(&graph, &*run.runtime, run.runtime.planner(), &phases);
    subject.by = By::Node;
    let text = svg::render(&subject, &Chart::Breakdown.into()).unwrap();
    assert!(
        text.contains(">24 x layers.*.mlp.gate_proj/MatMul<") && text.contains("each 16.62 MiB"),
        "{text}"
    );
}

#[test]
fn a_pipeline_has_no_arena_chart() {
    let error = svg::render_report(&pipeline_report(), &Chart::Arena.into()).unwrap_err();
    assert!(error.to_string().contains("a pipeline has no arena chart"), "{error}");
}

#[test]
fn the_same_run_gives_the_same_picture() {
    for chart in Chart::ALL {
        assert_eq!(vit().chart(chart), vit().chart(chart));
    }
}

/// Compares a picture of the documents with that of today; `BLESS=1` writes it again.
fn check_document(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    assert!(text.len() < 80 << 10, "{} bytes", text.len());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/{name} shows another run; BLESS=1 draws it again");
}

fn drawing(chart: Chart, command: &str) -> Drawing {
    let mut drawing = Drawing::from(chart);
    drawing.command = Some(command.to_owned());
    drawing
}

#[test]
fn the_picture_in_the_docs_is_of_today() {
    let command = "memgraph llm fixtures/qwen2.5-0.5b-fp16 1813 --svg pressure.svg";
    let run = qwen(llm::Part::Prefill, OpenvinoCpu::default());
    check_document("pressure.svg", &run.draw(&drawing(Chart::Pressure, command)).0);
}

#[test]
fn the_picture_of_a_block_is_of_today() {
    let command = "memgraph llm fixtures/qwen2.5-0.5b-fp16 1813 --chart block --svg block.svg";
    let run = qwen(llm::Part::Prefill, OpenvinoCpu::default());
    check_document("block.svg", &run.draw(&drawing(Chart::Block, command)).0);
}

/// The pipeline that the README shows.
fn pipeline_report() -> Report {
    let folder = Path::new("fixtures/qwen2.5-vl-3b-v8-L4-fp16");
    let base = Scenario::default().with(|run| run.config = formats::config::read(folder).unwrap());
    let mut request = vlm::Request::default();
    request.patches = Some(7252);
    request.new_tokens = 128;
    let mut profile = OpenvinoGpu::default();
    profile.last_logits = true;
    let rules = |_: &Graph| Ok((Arc::new(profile) as Arc<dyn Runtime>, profile.planner()));
    let run = vlm::run(parts::of_pipeline(folder).unwrap(), &base, &request, &rules).unwrap();
    let mut subject = PipelineSubject::default();
    subject.model = folder.display().to_string();
    subject.keeps_vision = true;
    pipeline::build(&run, &subject)
}

#[test]
fn the_picture_of_a_pipeline_is_of_today() {
    let command = "memgraph vlm fixtures/qwen2.5-vl-3b-v8-L4-fp16 7252 --profile openvino-gpu --logits last --svg qwen2.5-vl.svg";
    let text = svg::render_report(&pipeline_report(), &drawing(Chart::Pressure, command)).unwrap();
    check_document("qwen2.5-vl.svg", &text);
}
