//! A small shop, the application that the local world protects. It remembers nothing and believes everybody; the
//! perimeter before it is what is being shown. Every answer of its own carries `x-sample-application: 1`, so that a
//! visitor can tell an answer of the shop from an answer of anything before it.

use std::collections::HashMap;
use std::process::ExitCode;

use axum::Router;
use axum::extract::{Form, Path, Query, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};

/// Marks every answer as the application's own.
const MARKER: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-sample-application"), HeaderValue::from_static("1"));
/// The one password of this shop. It protects nothing.
const PASSWORD: &str = "correct horse battery staple";
const EXIT_USAGE: u8 = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("sample-application: say where to listen, for example 127.0.0.1:8080");
        return ExitCode::from(EXIT_USAGE);
    };
    let listener = match tokio::net::TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!(
                "sample-application: could not listen on {address}: {error}; choose a free port"
            );
            return ExitCode::FAILURE;
        }
    };
    match axum::serve(listener, shop()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample-application: could not go on serving: {error}");
            ExitCode::FAILURE
        }
    }
}

fn shop() -> Router {
    Router::new()
        .route(
            "/",
            get(|| async { page("Welcome", "<a href=\"/products?id=1\">Our first product</a>") }),
        )
        .route("/products", get(product))
        .route("/search", get(search))
        .route("/static/{*path}", get(asset))
        .route("/login", post(login))
        .route("/account", get(account))
        .fallback(|| async { (StatusCode::NOT_FOUND, page("Not found", "There is nothing here.")) })
        .layer(from_fn(mark))
}

async fn mark(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let (name, value) = MARKER;
    response.headers_mut().insert(name, value);
    response
}

async fn product(Query(query): Query<HashMap<String, String>>) -> Response {
    match query.get("id").map(|id| id.parse::<u32>()) {
        Some(Ok(id)) => page("Product", &format!("This is product {id}.")).into_response(),
        _ => (StatusCode::BAD_REQUEST, page("Product", "A product is named by a number."))
            .into_response(),
    }
}

async fn search(Query(query): Query<HashMap<String, String>>) -> Html<String> {
    let wanted = query.get("q").map(String::as_str).unwrap_or_default();
    page("Search", &format!("{} products match your search.", wanted.len() % 7))
}

async fn asset(Path(path): Path<String>) -> Response {
    // Nothing is read from a disk, whatever the path says.
    match path.rsplit_once('.').map(|(_, kind)| kind) {
        Some("css") => {
            ([(header::CONTENT_TYPE, "text/css")], "body { margin: 2em }").into_response()
        }
        Some("svg") => (
            [(header::CONTENT_TYPE, "image/svg+xml")],
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
        )
            .into_response(),
        Some("woff2") => ([(header::CONTENT_TYPE, "font/woff2")], "").into_response(),
        Some("js") => ([(header::CONTENT_TYPE, "text/javascript")], "'use strict'").into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn login(Form(form): Form<HashMap<String, String>>) -> Response {
    if form.get("password").is_some_and(|password| password == PASSWORD) {
        return (
            [(header::SET_COOKIE, "session=1; HttpOnly; SameSite=Lax")],
            page("Login", "Welcome back."),
        )
            .into_response();
    }
    (StatusCode::UNAUTHORIZED, page("Login", "Name and password do not match.")).into_response()
}

async fn account(headers: HeaderMap) -> Response {
    let cookie =
        headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if cookie.contains("session=1") {
        return page("Account", "You have no orders yet.").into_response();
    }
    (StatusCode::FORBIDDEN, page("Account", "Please log in.")).into_response()
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!("<!doctype html><title>{title}</title><h1>{title}</h1><p>{body}</p>\n"))
}
