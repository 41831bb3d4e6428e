//! The dashboard: one page that reads the control API and changes nothing.
//!
//! Knows the files it is made of, which are in the program, and that browsers are to load nothing
//! from elsewhere. What it shows comes from the paths that everybody else reads too.

use std::collections::BTreeMap;

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

/// Path, content and media type of each file.
const FILES: [(&str, &str, &str); 4] = [
    ("/", include_str!("page.html"), "text/html; charset=utf-8"),
    ("/dashboard.css", include_str!("dashboard.css"), "text/css; charset=utf-8"),
    ("/dashboard.js", include_str!("dashboard.js"), "text/javascript; charset=utf-8"),
    ("/world.json", include_str!("world.json"), "application/json"),
];

/// Nothing but what is served here, and nobody may put the page into another.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The outlines of the world's countries (Natural Earth), by their codes of ISO 3166-1: paths of
/// an SVG in half degrees, from 180 W and 84 N on.
pub fn outlines() -> BTreeMap<String, String> {
    serde_json::from_str(include_str!("world.json"))
        .expect("the file is part of the program, and a test reads it")
}

/// The page and what belongs to it.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, content, kind)| {
        router.route(path, get(async move || file(content, kind)))
    })
}

fn file(content: &'static str, kind: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        // A new version of the program has new files.
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outlines_are_paths_by_country() {
        let outlines = outlines();
        assert!(outlines.len() > 150, "{}", outlines.len());
        let is_path = |path: &String| path.starts_with('M') && path.ends_with('z');
        assert!(outlines.keys().all(|code| code.len() == 2) && outlines.values().all(is_path));
    }
}
