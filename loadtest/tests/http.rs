//! Asking an edge: whose answer it is, and what an answer that is none says.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{Asked, DENIED, MARKED, serve};
use loadtest::traffic::http::Edge;
use loadtest::traffic::plan::{Request, plain};

fn edge_answer(asked: Asked) -> String {
    // The body proves what arrived; the path chooses the answer.
    let seen = format!("{} {} {}", asked.client, asked.target, asked.form);
    match asked.target.as_str() {
        "/denied" => DENIED.to_owned(),
        "/gone" => String::new(),
        "/short" => "HTTP/1.1 200 OK\r\nx-sample-application: yes\r\ncontent-length: 9\r\n\r\nabc"
            .to_owned(),
        "/login" if asked.form == "username=alice" => MARKED.to_owned(),
        _ if seen == "2a00:1450:0:5::9 /products?id=7 " => MARKED.to_owned(),
        _ => format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{seen}", seen.len()),
    }
}

#[track_caller]
fn check(
    answer: &loadtest::traffic::http::Answer,
    by_application: bool,
    status: Option<u16>,
    detail: &str,
) {
    assert_eq!((answer.by_application, answer.status), (by_application, status), "{answer:?}");
    assert!(answer.detail.contains(detail), "{answer:?}");
    assert!(answer.answered_at >= answer.sent_at);
}

fn get(target: &str) -> Request {
    Request { target: target.to_owned(), ..plain("test") }
}

#[tokio::test]
async fn only_the_applications_marker_makes_an_answer_its_own() {
    let edge = Edge::new(&serve(edge_answer).await.to_string()).unwrap();
    let client = "2a00:1450:0:5::9".parse().unwrap();
    check(&edge.ask(client, &plain("test")).await, true, Some(200), "");
    let form = Some("username=alice".to_owned());
    let login = Request { method: "POST", target: "/login".to_owned(), form, agent: "test" };
    check(&edge.ask(client, &login).await, true, Some(200), "");
    check(&edge.ask(client, &get("/denied")).await, false, Some(403), "403 by decision 0e9b");
    check(
        &edge.ask(client, &get("/other")).await,
        false,
        Some(404),
        "without the application's marker",
    );
}

#[tokio::test]
async fn no_answer_and_half_an_answer_are_refusals_with_a_reason() {
    let edge = Edge::new(&format!("http://{}/", serve(edge_answer).await)).unwrap();
    let client = "81.2.69.142".parse().unwrap();
    let gone = edge.ask(client, &get("/gone")).await;
    check(&gone, false, None, "");
    check(&edge.ask(client, &get("/short")).await, false, None, "no answer within 5 s");
    assert!(!gone.detail.is_empty());
    let nobody = Edge::new("127.0.0.1:1").unwrap().ask(client, &plain("test")).await;
    check(&nobody, false, None, "connect");
}

#[test]
fn a_listener_that_is_no_address_is_refused() {
    let error = Edge::new("no listener").err().unwrap();
    assert!(error.to_string().contains("host:port"), "{error}");
}
