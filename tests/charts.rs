//! Charts are well-formed, say what they show, keep their texts apart, and are the same twice.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails here.

use memgraph::formats;
use memgraph::graph::Graph;
use memgraph::phases;
use memgraph::pipeline::{llm, parts, vit, vlm};
use memgraph::report::Subject;
use memgraph::report::model::Report;
use memgraph::report::pipeline::{self, PipelineSubject};
use memgraph::report::svg::{self, Chart};
use memgraph::runtime::Runtime;
use memgraph::runtime::graph::Exported;
use memgraph::runtime::openvino_cpu::OpenvinoCpu;
use memgraph::runtime::openvino_gpu::OpenvinoGpu;
use memgraph::scenario::Scenario;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn chart_of(file: &Path, runs: &[(phases::PhaseName, Scenario)], chart: Chart) -> String {
    chart_under(&Exported, file, runs, chart)
}

fn chart_under(
    profile: &dyn Runtime,
    file: &Path,
    runs: &[(phases::PhaseName, Scenario)],
    chart: Chart,
) -> String {
    let graph = formats::open(file).unwrap();
    let planner = profile.planner();
    let phases = phases::run(&graph, runs, profile, planner).unwrap();
    svg::render(&Subject::new(&graph, profile, planner, &phases), chart).unwrap()
}

/// The run that the README shows.
fn qwen(chart: Chart) -> String {
    qwen_under(&Exported, chart)
}

fn qwen_under(profile: &dyn Runtime, chart: Chart) -> String {
    // From the package's folder, as a user would name it: no path of this machine is in the picture.
    let folder = Path::new("fixtures/qwen2.5-0.5b-fp16");
    let base = Scenario::default().with(|run| {
        run.config = formats::config::read(folder).unwrap();
        run.batch = Some(1);
    });
    let file = llm::file(folder).unwrap();
    let runs = llm::phases(&base, 1813, llm::Part::Prefill, profile);
    chart_under(profile, &file, &runs, chart)
}

fn vit(chart: Chart) -> String {
    let folder = root().join("fixtures/vit-base-p16-224-fp16");
    let base = Scenario::default().with(|run| run.config = formats::config::read(&folder).unwrap());
    let runs = [(phases::PhaseName::Infer, vit::scenario(&base, Some(196)).unwrap())];
    chart_of(&folder.join("openvino_model.xml"), &runs, chart)
}

fn pictures() -> Vec<(String, String)> {
    let charts = Chart::ALL.iter();
    charts
        .flat_map(|&chart| {
            [("qwen", qwen(chart)), ("vit", vit(chart)), ("resnet", resnet(chart))]
                .map(|(name, text)| (format!("{name} {chart:?}"), text))
        })
        .collect()
}

/// A model without attention blocks.
fn resnet(chart: Chart) -> String {
    let file = root().join("fixtures/resnet50-fp32/openvino_model.xml");
    let inputs = vec![("x".to_owned(), [2, 3, 224, 224].into_iter().collect())];
    chart_of(&file, &[(phases::PhaseName::Infer, Scenario::default().with(|run| run.inputs = inputs))], chart)
}

/// An element of a document: its name, attributes and text.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
}

impl Element {
    fn number(&self, key: &str) -> f64 {
        self.attributes[key].parse().unwrap()
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
                found.push(Element { name, attributes: attributes.collect(), text: String::new() });
                if matches!(event, Event::Start(_)) {
                    open.push(found.len() - 1);
                }
            }
            Event::Text(text) => {
                if let Some(&last) = open.last() {
                    found[last].text.push_str(text.trim());
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

/// Where a text element stands, by the mean width of a letter in common sans-serif fonts.
fn frame(text: &Element) -> Frame {
    let size = text.number("font-size");
    let width = text.text.chars().count() as f64 * size * 0.55;
    let (x, y) = (text.number("x"), text.number("y"));
    let left = match text.attributes["text-anchor"].as_str() {
        "start" => x,
        "middle" => x - width / 2.0,
        "end" => x - width,
        other => panic!("text-anchor {other}"),
    };
    [left, y - size / 2.0, left + width, y + size / 2.0]
}

#[test]
fn documents_say_what_they_show() {
    for (name, text) in pictures() {
        let elements = elements(&text);
        assert_eq!(elements[0].name, "svg", "{name}");
        for wanted in ["title", "desc"] {
            let found = elements.iter().find(|element| element.name == wanted);
            assert!(found.is_some_and(|element| element.text.len() > 20), "{name}: no {wanted}");
        }
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name} names a folder of this machine");
    }
}

#[test]
fn texts_stand_apart_and_inside() {
    for (name, text) in pictures() {
        let elements = elements(&text);
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
fn boxes_of_the_arena_share_no_pixel() {
    for (name, text) in [("qwen", qwen(Chart::Arena)), ("vit", vit(Chart::Arena))] {
        let elements = elements(&text);
        // Behind the plot lie a white page and bands; a legend's squares stand above it.
        let behind = ["#FFFFFF", "#F3F3F3"];
        let rects = elements.iter().filter(|element| element.name == "rect");
        let rects = rects.filter(|rect| !behind.contains(&rect.attributes["fill"].as_str()));
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
    let text = qwen(Chart::Breakdown);
    let elements = elements(&text);
    let desc = &elements.iter().find(|element| element.name == "desc").unwrap().text;
    let wanted = "weights 942.29 MiB, KV cache and state 42.49 MiB, buffers, inputs and outputs 1.14 GiB";
    assert!(desc.contains(wanted), "{desc}");
}

#[test]
fn the_same_run_gives_the_same_picture() {
    for chart in Chart::ALL {
        assert_eq!(qwen(chart), qwen(chart));
    }
}

#[test]
fn the_logits_tower_over_the_activations() {
    let text = qwen(Chart::Pressure);
    let elements = elements(&text);
    let desc = elements.iter().find(|element| element.name == "desc").unwrap();
    assert!(desc.text.contains("highest: 1.07 GiB, step 1410, __module.lm_head/"), "{}", desc.text);
    let top = |color: &str| {
        let area =
            elements.iter().find(|element| element.name == "polygon" && element.attributes["fill"] == color);
        let points =
            area.unwrap().attributes["points"].split_whitespace().map(|point| point.split_once(',').unwrap());
        let points: Vec<(f64, f64)> = points.map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).collect();
        let highest = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let wide = points.iter().filter(|point| point.1 == highest).map(|point| point.0);
        let wide = wide.clone().fold(0.0, f64::max) - wide.fold(f64::INFINITY, f64::min);
        (highest, wide)
    };
    let (outputs, wide) = top("#E69F00");
    assert!(outputs < 160.0 && wide >= 40.0, "inputs and outputs reach up to {outputs}, {wide} px wide");
}

/// `BLESS=1` writes the picture anew.
#[test]
fn the_picture_in_the_docs_is_of_today() {
    let path: PathBuf = root().join("docs/pressure.svg");
    let text = qwen_under(&OpenvinoCpu::default(), Chart::Pressure);
    assert!(text.len() < 60 << 10, "{} bytes", text.len());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/pressure.svg shows another run; BLESS=1 draws it anew");
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

/// `BLESS=1` writes the picture anew.
#[test]
fn the_picture_of_a_pipeline_is_of_today() {
    let path = root().join("docs/qwen2.5-vl.svg");
    let report = pipeline_report();
    let text = svg::phases(&report).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/qwen2.5-vl.svg shows another run; BLESS=1 draws it anew");
    for document in [text, svg::breakdown(&report).unwrap()] {
        let elements = elements(&document);
        let texts: Vec<_> = elements.iter().filter(|element| element.name == "text").collect();
        assert!(texts.len() >= 10, "{} texts", texts.len());
        for (index, one) in texts.iter().enumerate() {
            let [left, _, right, _] = frame(one);
            assert!(left >= 0.0 && right <= 800.0, "{one:?}");
            assert!(texts[..index].iter().all(|other| !overlap(&frame(one), &frame(other))), "{one:?}");
        }
    }
}
