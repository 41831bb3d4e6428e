//! Where loads are read, from the configuration to the checks.

use crate::config::diagnostic::Diagnostic;
use crate::config::{self, Located, Span};
use crate::health::formula::is_name;
use crate::health::{Expect, Formula, Load, LoadPage, Meter};

/// The load of a monitor.
pub(super) fn load(load: &config::Load) -> Result<Load, Box<Diagnostic>> {
    let page = load.path.clone().map(|path| {
        let (port, is_clear) = (load.port, load.is_clear);
        LoadPage { path, port, is_clear }
    });
    Ok(Load { page, meter: meter(load)? })
}

fn meter(load: &config::Load) -> Result<Meter, Box<Diagnostic>> {
    Ok(match &load.meter {
        config::Meter::Json(pointer) => Meter::Json(pointer.clone()),
        config::Meter::Header(name) => {
            // The same names as a header that is expected.
            let expect = Expect::default().with_headers([(&**name, "")]);
            let expect = expect.map_err(|error| wrong(&load.span, error.to_string()))?;
            Meter::Header(expect.headers[0].0.clone())
        }
        config::Meter::Formula { values, formula } => {
            for (name, _) in values {
                if !is_name(&name.value) {
                    let message = format!("`{}` cannot stand in a formula", name.value);
                    let help = "use letters, digits and `_`, and neither `min` nor `max`";
                    return Err(Box::new(wrong(&name.span, message).help(help)));
                }
            }
            let names: Vec<&str> = values.iter().map(|(name, _)| &*name.value).collect();
            let parsed = Formula::parse(&formula.value, &names).map_err(|error| {
                wrong(&part(formula, error.at), format!("in the formula: {error}"))
            })?;
            Meter::Formula(values.iter().map(|(_, pointer)| pointer.clone()).collect(), parsed)
        }
        config::Meter::Haproxy(backend) => Meter::Haproxy(backend.clone()),
        config::Meter::Nginx(connections) => Meter::Nginx(*connections),
        config::Meter::Envoy(stat, limit) => Meter::Envoy(stat.clone(), *limit),
    })
}

fn wrong(span: &Span, message: String) -> Diagnostic {
    Diagnostic::error("bad-load", message).at(span, "")
}

/// From an octet of a text on; all of it where the text is not written as it is.
fn part(text: &Located<String>, at: usize) -> Span {
    let range = text.span.range();
    let is_plain = text.span.text().get(1..range.len().saturating_sub(1)) == Some(&*text.value);
    if !is_plain {
        return text.span.clone();
    }
    // At its end, the quotation mark is what is shown.
    let start = range.start + 1 + at.min(text.value.len());
    Span::new(text.span.source(), start..start + 1)
}
