//! Terraform files: resources with their values, as far as the files hold them.
//!
//! Variables with defaults, locals and references to what other resources say are followed. What
//! only Terraform's state knows (addresses it was given) stays unknown, unless `--set` gives it.

use std::collections::BTreeMap;

use hcl_edit::Span;
use hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::template::Element;

use super::Failure;
use super::node::{Node, Value};
use crate::config::Source;

/// The resources of all files.
#[derive(Debug, Default)]
pub(super) struct Terraform {
    pub(super) resources: Vec<Resource>,
    /// Blocks that are no resources, in words: `module "dns"`; and where.
    pub(super) others: Vec<(String, String)>,
}

/// A `resource` or `data` block.
#[derive(Debug)]
pub(super) struct Resource {
    /// `aws_route53_record`
    pub(super) kind: String,
    /// `www_us`
    pub(super) name: String,
    /// How other resources refer to it: `aws_route53_record.www_us`, `data.aws_route53_zone.main`.
    pub(super) address: String,
    pub(super) body: Node,
}

impl Resource {
    /// `main.tf:12 aws_route53_record.www_us`
    pub(super) fn place(&self) -> String {
        format!("{} {}", self.body.place, self.address)
    }
}

impl Terraform {
    /// Reads files, with values for what they do not hold: `aws_eip.us.public_ip`, `192.0.2.1`.
    ///
    /// # Errors
    /// When one of them is not HCL.
    pub(super) fn read(
        files: &[(String, String)],
        given: &BTreeMap<String, String>,
    ) -> Result<Terraform, Failure> {
        let mut terraform = Terraform::default();
        let mut known: BTreeMap<String, Node> = BTreeMap::new();
        for (path, text) in files {
            let body = hcl_edit::parser::parse_body(text).map_err(|error| Failure::Syntax {
                path: path.clone(),
                line: Some(error.location().line()),
                why: error.message().to_owned(),
            })?;
            let source = Source::new(path.as_str(), text.as_str());
            let reader = Reader { source: &source };
            for block in body.blocks() {
                reader.block(block, &mut terraform, &mut known);
            }
            for attribute in body.attributes() {
                // A file of variables (.tfvars).
                known.insert(
                    format!("var.{}", attribute.key.as_str()),
                    reader.value(&attribute.value),
                );
            }
        }
        for (name, value) in given {
            let node = Node { value: Value::Text(value.clone()), place: "--set".to_owned() };
            known.insert(name.clone(), node);
        }
        let resolver = Resolver { known: &known, resources: &terraform.resources };
        let resolved: Vec<Node> =
            terraform.resources.iter().map(|r| resolver.resolve(&r.body, 0)).collect();
        for (resource, body) in terraform.resources.iter_mut().zip(resolved) {
            resource.body = body;
        }
        Ok(terraform)
    }

    /// The resource that a reference (`aws_route53_zone.main.zone_id`) is about.
    pub(super) fn referred(&self, node: &Node) -> Option<&Resource> {
        let Value::Unknown(text) = &node.value else { return None };
        self.resources.iter().find(|resource| is_of(text, &resource.address))
    }
}

fn is_of(reference: &str, address: &str) -> bool {
    let rest = reference.strip_prefix(address);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

struct Reader<'a> {
    source: &'a std::sync::Arc<Source>,
}

impl Reader<'_> {
    fn block(&self, block: &Block, terraform: &mut Terraform, known: &mut BTreeMap<String, Node>) {
        let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
        let place = self.place(block);
        match (block.ident.as_str(), &labels[..]) {
            (word @ ("resource" | "data"), [kind, name]) => {
                let front = if word == "data" { "data." } else { "" };
                terraform.resources.push(Resource {
                    kind: (*kind).to_owned(),
                    name: (*name).to_owned(),
                    address: format!("{front}{kind}.{name}"),
                    body: self.body(&block.body, place),
                });
            }
            ("variable", [name]) => {
                if let Some(default) = block.body.get_attribute("default") {
                    let key = format!("var.{name}");
                    // A file of variables wins over the default, whichever comes first.
                    known.entry(key).or_insert_with(|| self.value(&default.value));
                }
            }
            ("locals", []) => {
                for attribute in block.body.attributes() {
                    let key = format!("local.{}", attribute.key.as_str());
                    known.insert(key, self.value(&attribute.value));
                }
            }
            ("terraform" | "provider" | "output", _) => {}
            (word, labels) => {
                let labels = labels.iter().map(|label| format!(" {label:?}")).collect::<String>();
                terraform.others.push((format!("{word}{labels}"), place));
            }
        }
    }

    /// Attributes as they are; nested blocks as lists under their name.
    fn body(&self, body: &Body, place: String) -> Node {
        let mut entries: Vec<(String, Node)> = Vec::new();
        for attribute in body.attributes() {
            entries.push((attribute.key.as_str().to_owned(), self.value(&attribute.value)));
        }
        for block in body.blocks() {
            let place = self.place(block);
            let mut name = block.ident.as_str().to_owned();
            for label in &block.labels {
                name = format!("{name} {:?}", label.as_str());
            }
            let inner = self.body(&block.body, place.clone());
            match entries.iter_mut().find(|(known, _)| *known == name) {
                Some((_, Node { value: Value::List(items), .. })) => items.push(inner),
                _ => entries.push((name, Node { value: Value::List(vec![inner]), place })),
            }
        }
        Node { value: Value::Map(entries), place }
    }

    fn value(&self, expression: &Expression) -> Node {
        let value = match expression {
            Expression::Null(_) => Value::Null,
            Expression::Bool(is) => Value::Bool(**is),
            Expression::Number(number) => Value::Number(number.as_f64().unwrap_or(0.0)),
            Expression::String(text) => Value::Text(text.as_str().to_owned()),
            Expression::Array(items) => {
                Value::List(items.iter().map(|item| self.value(item)).collect())
            }
            Expression::Object(object) => {
                let entries = object.iter().map(|(key, value)| {
                    let key = match key {
                        ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                        ObjectKey::Expression(key) => {
                            self.value(key).text().unwrap_or_else(|| written(key))
                        }
                    };
                    (key, self.value(value.expr()))
                });
                Value::Map(entries.collect())
            }
            Expression::Parenthesis(inner) => return self.value(inner.inner()),
            Expression::StringTemplate(template) => {
                let mut parts = Vec::new();
                for element in template.iter() {
                    match element {
                        Element::Literal(text) => parts.push(Node {
                            value: Value::Text(text.as_str().to_owned()),
                            place: String::new(),
                        }),
                        Element::Interpolation(inner) => parts.push(self.value(&inner.expr)),
                        Element::Directive(_) => {
                            let value = Value::Unknown(written(expression));
                            return Node { value, place: self.place(expression) };
                        }
                    }
                }
                Value::Map(vec![(
                    TEMPLATE.to_owned(),
                    Node { value: Value::List(parts), place: written(expression) },
                )])
            }
            other => Value::Unknown(written(other)),
        };
        Node { value, place: self.place(expression) }
    }

    fn place(&self, at: &impl Span) -> String {
        let range = at.span().unwrap_or(0..0);
        let site = crate::config::Span::new(self.source, range).site();
        format!("{}:{}", site.file.display(), site.line)
    }
}

/// Key of a map that stands for a text with interpolations, until they are resolved.
const TEMPLATE: &str = "${}";

/// An expression as it is written, without space around it.
fn written(expression: &Expression) -> String {
    match expression {
        Expression::Traversal(traversal) => {
            let mut text = written(&traversal.expr);
            for operator in &traversal.operators {
                match operator.value() {
                    TraversalOperator::GetAttr(name) => text = format!("{text}.{}", name.as_str()),
                    TraversalOperator::Index(index) => text = format!("{text}[{}]", written(index)),
                    TraversalOperator::LegacyIndex(index) => text = format!("{text}.{}", **index),
                    TraversalOperator::AttrSplat(_) => text.push_str(".*"),
                    TraversalOperator::FullSplat(_) => text.push_str("[*]"),
                }
            }
            text
        }
        Expression::Variable(name) => name.as_str().to_owned(),
        other => other.to_string().trim().to_owned(),
    }
}

struct Resolver<'a> {
    known: &'a BTreeMap<String, Node>,
    resources: &'a [Resource],
}

/// References that lead to references, at most: a loop ends there.
const DEEPEST: usize = 16;

impl Resolver<'_> {
    fn resolve(&self, node: &Node, depth: usize) -> Node {
        let value = match &node.value {
            Value::Unknown(text) => return self.look_up(text, node, depth),
            Value::List(items) => {
                Value::List(items.iter().map(|item| self.resolve(item, depth)).collect())
            }
            Value::Map(entries) => match &entries[..] {
                [(key, parts)] if key == TEMPLATE => {
                    let resolved: Option<String> =
                        parts.items().iter().map(|part| self.resolve(part, depth).text()).collect();
                    // The place of the parts is the template as it is written.
                    resolved.map_or_else(|| Value::Unknown(parts.place.clone()), Value::Text)
                }
                entries => {
                    let entry =
                        |(key, node): &(String, Node)| (key.clone(), self.resolve(node, depth));
                    Value::Map(entries.iter().map(entry).collect())
                }
            },
            other => other.clone(),
        };
        Node { value, place: node.place.clone() }
    }

    fn look_up(&self, text: &str, node: &Node, depth: usize) -> Node {
        let same = || node.clone();
        if depth >= DEEPEST {
            return same();
        }
        if let Some(found) = self.known.get(text) {
            return Node { place: node.place.clone(), ..self.resolve(found, depth + 1) };
        }
        // What a resource says itself; never what it is referred to by.
        let resource = self.resources.iter().find(|resource| is_of(text, &resource.address));
        let rest = resource.and_then(|r| text.strip_prefix(&format!("{}.", r.address)));
        let (Some(resource), Some(attribute)) = (resource, rest) else {
            return self.inside(text, node, depth);
        };
        match resource.body.get(attribute) {
            Some(found) if !matches!(attribute, "id" | "zone_id") => {
                Node { place: node.place.clone(), ..self.resolve(found, depth + 1) }
            }
            _ => same(),
        }
    }

    /// `var.regions.us`, `local.list[0]`: a part of something known.
    fn inside(&self, text: &str, node: &Node, depth: usize) -> Node {
        for (at, c) in text.char_indices().rev() {
            if c != '.' && c != '[' {
                continue;
            }
            let Some(found) = self.known.get(&text[..at]) else { continue };
            let key = text[at + 1..].trim_end_matches(']').trim_matches('"');
            let found = self.resolve(found, depth + 1);
            let part = match key.parse::<usize>() {
                Ok(index) => found.items().get(index),
                Err(_) => found.get(key),
            };
            if let Some(part) = part {
                return Node { place: node.place.clone(), ..part.clone() };
            }
        }
        node.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, given: &[(&str, &str)]) -> Terraform {
        let files = [("main.tf".to_owned(), text.to_owned())];
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Terraform::read(&files, &given.collect()).unwrap()
    }

    #[test]
    fn what_the_files_hold_is_followed_and_the_rest_stays_unknown() {
        let text = r#"
variable "domain" { default = "example.com" }
locals { servers = ["192.0.2.1", "192.0.2.2"] }
resource "aws_route53_zone" "main" { name = var.domain }
resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.${var.domain}"
  zone    = aws_route53_zone.main.name
  first   = local.servers[0]
  records = [aws_eip.us.public_ip, aws_eip.eu.public_ip]
  weighted_routing_policy {
    weight = 3
  }
}
"#;
        let terraform = read(text, &[("aws_eip.us.public_ip", "192.0.2.9")]);
        let [zone, www] = &terraform.resources[..] else { panic!("two") };
        assert_eq!(www.place(), "main.tf:5 aws_route53_record.www");
        let shown = |key: &str| www.body.get(key).unwrap().shown();
        assert_eq!(shown("name"), "\"www.example.com\"");
        assert_eq!(shown("zone"), "\"example.com\"");
        assert_eq!(shown("first"), "\"192.0.2.1\"");
        assert_eq!(shown("records"), "[\"192.0.2.9\", aws_eip.eu.public_ip]");
        assert_eq!(shown("weighted_routing_policy"), "[{ weight = 3 }]");
        let referred = terraform.referred(www.body.get("zone_id").unwrap()).unwrap();
        assert_eq!(referred.address, zone.address);
    }

    #[test]
    fn references_in_a_circle_end() {
        let terraform = read(
            "locals {\n a = local.b\n b = local.a\n}\nresource \"x\" \"y\" { v = local.a }",
            &[],
        );
        let value = &terraform.resources[0].body.get("v").unwrap().value;
        assert!(matches!(value, Value::Unknown(_)), "{value:?}");
    }
}
