//! A map of the world as an SVG image: each country in the colour of the pool that most of its
//! clients go to, the paler the fewer those are.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::facts::{PlaceFacts, TargetFacts};
use super::text::percent;
use crate::admin::outlines;
use crate::cli::test::escaped;
use crate::geo::Coordinates;

/// Half degrees from 180 W to 180 E, and from 84 N to 58 S, as the outlines are drawn.
const SIZE: (usize, usize) = (720, 284);
const NORTH: f64 = 84.0;

/// Colours that people who see few of them tell apart (Okabe and Ito).
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"];

/// Land of which nothing is known.
const EMPTY: &str = "#e4e4e4";

/// Height of a line of the legend.
const LINE: usize = 14;

/// Draws a target. `countries` are all countries by their codes, `pools` the places of pools.
pub(super) fn draw(
    facts: &TargetFacts,
    countries: &BTreeMap<String, PlaceFacts>,
    pools: &[(String, Coordinates)],
) -> String {
    let colour = |outlet: &str| {
        let place = facts.outlets.iter().position(|known| known.outlet == outlet);
        place.map_or(EMPTY, |place| COLOURS[place % COLOURS.len()])
    };
    let height = SIZE.1 + LINE * (facts.outlets.len() + 1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
         font-family=\"sans-serif\" font-size=\"9\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <g stroke=\"#ffffff\" stroke-width=\"0.5\" stroke-linejoin=\"round\">\n",
        SIZE.0,
        escaped(&facts.names.join(", ")),
    );
    for (code, outline) in outlines() {
        let place = countries.get(&code);
        let most = place.and_then(|place| place.shares.first());
        let (fill, opacity) = match most {
            Some((outlet, share)) => (colour(outlet), 0.35 + 0.65 * share),
            None => (EMPTY, 1.0),
        };
        let shares = place.map_or("no clients are known".to_owned(), |place| {
            let shares = place.shares.iter();
            let shares = shares.map(|(outlet, share)| format!("{outlet} {}", percent(*share)));
            format!("{}: {}", place.place, shares.collect::<Vec<_>>().join(", "))
        });
        let title = escaped(&shares);
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "<path d=\"{outline}\" fill=\"{fill}\" fill-opacity=\"{opacity:.2}\"><title>{title}\
             </title></path>"
        );
    }
    out.push_str("</g>\n");
    for (pool, at) in pools {
        let (x, y) = ((at.longitude + 180.0) * 2.0, (NORTH - at.latitude) * 2.0);
        let (fill, title) = (colour(pool), escaped(pool));
        let _ = writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{fill}\" stroke=\"#000000\" \
             stroke-width=\"0.8\"><title>{title}</title></circle>"
        );
    }
    for (place, outlet) in facts.outlets.iter().enumerate() {
        let (y, fill) = (SIZE.1 + LINE * (place + 1), colour(&outlet.outlet));
        let text = format!("{} {}", outlet.outlet, percent(outlet.share));
        let _ = writeln!(
            out,
            "<rect x=\"8\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{fill}\"/>\
             <text x=\"24\" y=\"{y}\">{}</text>",
            y - 8,
            escaped(&text),
        );
    }
    out.push_str("</svg>\n");
    out
}
