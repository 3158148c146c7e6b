//! The OpenVINO IR reader on hostile files: an error that says where, or a graph; never a panic, never unbounded.

use memgraph::Result;
use memgraph::formats::openvino::parse;
use memgraph::graph::Graph;
use std::path::Path;

const CONTROL_FLOW: &str = include_str!("ir/control-flow.xml");

fn read(document: &[u8]) -> Result<Graph> {
    parse(document, Path::new("hostile.xml"))
}

/// The text of the error for a model of these layers and edges.
fn fault(layers: &str, edges: &str) -> String {
    let document =
        format!("<net name=\"m\" version=\"11\">\n<layers>{layers}</layers>\n<edges>{edges}</edges></net>");
    let error = read(document.as_bytes()).expect_err(&document[..document.len().min(200)]);
    assert!(error.location().position.is_some(), "{error}");
    error.to_string()
}

fn parameter(id: i64, shape: &str) -> String {
    format!(
        "<layer id=\"{id}\" name=\"p{id}\" type=\"Parameter\" version=\"opset1\">\
         <data shape=\"{shape}\" element_type=\"f32\"/><output><port id=\"0\" precision=\"FP32\"/></output></layer>"
    )
}

fn add(id: i64) -> String {
    format!(
        "<layer id=\"{id}\" name=\"add{id}\" type=\"Add\" version=\"opset1\"><input><port id=\"0\"/><port id=\"1\"/>\
         </input><output><port id=\"2\" precision=\"FP32\"/></output></layer>"
    )
}

fn edge(from: i64, from_port: u32, to: i64, to_port: u32) -> String {
    format!("<edge from-layer=\"{from}\" from-port=\"{from_port}\" to-layer=\"{to}\" to-port=\"{to_port}\"/>")
}

fn check(document: &[u8]) {
    if let Err(error) = read(document) {
        assert!(error.location().file.is_some() && error.location().position.is_some(), "{error}");
    }
}

#[test]
fn truncated_anywhere() {
    let complete = CONTROL_FLOW.trim_end().len();
    for end in 0..complete {
        assert!(read(&CONTROL_FLOW.as_bytes()[..end]).is_err(), "cut at {end}");
        check(&CONTROL_FLOW.as_bytes()[..end]);
    }
    assert!(read(CONTROL_FLOW.as_bytes()).is_ok());
}

#[test]
fn any_byte_flipped() {
    let mut document = CONTROL_FLOW.as_bytes().to_vec();
    for index in 0..document.len() {
        let original = document[index];
        for flipped in [0xff, original ^ 1, b'"', b'-'] {
            document[index] = flipped;
            check(&document);
        }
        document[index] = original;
    }
}

#[test]
fn random_damage() {
    arbtest::arbtest(|source| {
        let mut document = CONTROL_FLOW.as_bytes().to_vec();
        for _ in 0..source.int_in_range(1..=4)? {
            let start = source.choose_index(document.len())?;
            let end = source.int_in_range(start..=document.len().min(start + 400))?;
            if source.arbitrary()? {
                let copy = document[start..end].to_vec();
                let at = source.choose_index(document.len())?;
                document.splice(at..at, copy);
            } else {
                document.drain(start..end);
            }
        }
        check(&document);
        Ok(())
    })
    .budget_ms(1_000);
}

#[test]
fn edges_that_lead_nowhere() {
    let layers = [parameter(0, "1"), add(1)].concat();
    let text = fault(&layers, &edge(0, 1, 1, 0));
    assert!(text.contains("output port 1 of layer 0, which has 1 output"), "{text}");
    assert!(text.contains("hostile.xml:3:8"), "{text}");
    assert!(fault(&layers, &edge(7, 0, 1, 0)).contains("reads from layer 7, which does not exist"));
    assert!(fault(&layers, &edge(0, 0, 7, 0)).contains("goes to layer 7, which does not exist"));
    assert!(fault(&layers, &edge(0, 0, 1, 2)).contains("input port 2 of layer 1, which has 2 inputs"));
    assert!(fault(&layers, &edge(0, 0, 1, 0).repeat(2)).contains("two edges go to input port 0 of layer 1"));
    let text = fault(&layers, &edge(0, 0, 1, 0));
    assert!(text.contains("needs at least 2 inputs, and has 1") && text.contains("\"add1\""), "{text}");
}

#[test]
fn a_body_that_reads_an_unmapped_parameter() {
    let mapped = "<input external_port_id=\"1\" internal_layer_id=\"0\" />";
    assert!(CONTROL_FLOW.contains(mapped));
    let error = read(CONTROL_FLOW.replace(mapped, "").as_bytes()).unwrap_err().to_string();
    assert!(error.contains("gives no value to layer 0 of the body"), "{error}");
}

#[test]
fn cycles() {
    let layers = [parameter(0, "1"), add(1), add(2)].concat();
    let edges = [edge(0, 0, 1, 0), edge(2, 2, 1, 1), edge(0, 0, 2, 0), edge(1, 2, 2, 1)].concat();
    let text = fault(&layers, &edges);
    assert!(text.contains("cycle") && text.contains("add1") && text.contains("add2"), "{text}");
    assert!(fault(&add(1), &[edge(1, 2, 1, 0), edge(1, 2, 1, 1)].concat()).contains("cycle"));
}

#[test]
fn ids_that_clash() {
    assert!(fault(&[parameter(3, "1"), parameter(3, "1")].concat(), "").contains("two layers have the id 3"));
    let twice = "<layer id=\"0\" type=\"X\" version=\"opset1\"><input><port id=\"4\"/><port id=\"4\"/></input></layer>";
    assert!(fault(twice, "").contains("two ports of one side have the id 4"));
    let ids = [i64::MAX, i64::MIN, -1, 0].map(|id| parameter(id, "1")).concat();
    let document = format!("<net version=\"10\"><layers>{ids}</layers></net>");
    assert_eq!(read(document.as_bytes()).map(|graph| graph.parameters().len()).ok(), Some(4));
}

#[test]
fn numbers_that_are_none() {
    assert!(fault(&parameter(0, "99999999999999999999"), "").contains("`shape` must be a shape"));
    assert!(fault("<layer id=\"x\" type=\"Add\"/>", "").contains("`id` of <layer> must be a number"));
    assert!(fault("<layer type=\"Add\"/>", "").contains("<layer> has no attribute `id`"));
    let port = |dim: &str| {
        format!("<layer id=\"0\" type=\"X\"><output><port id=\"0\"><dim>{dim}</dim></port></output></layer>")
    };
    for dim in ["", "x", "-2", "9223372036854775808", "<dim>1</dim>", "1<!-- -->2x"] {
        fault(&port(dim), "");
    }
    let text = fault(
        "\n<layer id=\"0\" name=\"c\" type=\"Concat\" version=\"opset1\">\n<data axis=\"one\"/></layer>",
        "",
    );
    assert!(text.contains("attribute `axis` must be an integer, and is \"one\""), "{text}");
    assert!(text.contains("hostile.xml:3:1, layer \"c\" (id 0, Concat, opset1)"), "{text}");
}

#[test]
fn counts_beyond_their_caps() {
    let ports = |count: usize| {
        let ports: String = (0..count).map(|id| format!("<port id=\"{id}\"/>")).collect();
        format!("<layer id=\"0\" type=\"X\"><input>{ports}</input></layer>")
    };
    assert!(fault(&ports(20_000), "").contains("ports of one layer"));
    let dims = "<dim>1</dim>".repeat(65);
    let port = format!("<layer id=\"0\" type=\"X\"><output><port id=\"0\">{dims}</port></output></layer>");
    assert!(fault(&port, "").contains("rank of a port"));
    assert!(fault(&parameter(0, &"1,".repeat(65)), "").contains("`shape`"));
    let name = "n".repeat((1 << 20) + 1);
    assert!(fault(&format!("<layer id=\"0\" name=\"{name}\"/>"), "").contains("an attribute must be"));
    let axes = "1,".repeat(5000);
    let long =
        format!("<layer id=\"0\" type=\"AvgPool\" version=\"opset1\"><data strides=\"{axes}1\"/></layer>");
    assert!(fault(&long, "").contains("a list of integers"));
    let open = "<layer id=\"0\" type=\"If\" version=\"opset8\"><then_body><layers>".repeat(40);
    assert!(fault(&open, "").contains("bodies within bodies"));
    assert!(fault(&"<a>".repeat(1000), "").contains("elements within elements"));
}

#[test]
fn documents_that_are_no_model() {
    for document in ["", " ", "<a/>", "<net/>", "<net version=\"7\"/>", "<net version=\"11\"/><net/>", "text"]
    {
        assert!(read(document.as_bytes()).is_err(), "{document}");
        check(document.as_bytes());
    }
    let bomb = "<!DOCTYPE net [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]><net version=\"11\">&b;</net>";
    assert!(read(bomb.as_bytes()).unwrap_err().to_string().contains("document type"));
    assert!(read(b"<net version=\"11\">\xc3</net>").unwrap_err().to_string().contains("UTF-8"));
}

#[test]
fn ports_read_alike_however_they_are_written() {
    let plain = read(CONTROL_FLOW.as_bytes()).unwrap();
    // A comment keeps the ports off the fast path.
    let commented = CONTROL_FLOW.replace("<port id", "<!-- --><port id");
    assert_eq!(read(commented.as_bytes()).unwrap(), plain);
    let quoted = CONTROL_FLOW.replace("precision=\"FP32\"", "note=\"a > b\" precision='FP32'");
    assert_eq!(read(quoted.as_bytes()).unwrap(), plain);
}
