//! Ways into the API, each with what is said of it: the router and its description are made from
//! the same list.

use axum::Router;
use axum::routing::MethodRouter;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::message::Problem;

/// A path, a method, and what goes in and out.
pub(super) struct Route<S> {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    router: MethodRouter<S>,
    query: Option<Describe>,
    body: Option<Describe>,
    answer: Answer,
    /// Whether it needs a token over TCP.
    is_guarded: bool,
}

/// What comes back.
#[derive(Clone, Copy)]
enum Answer {
    Text,
    Octets,
    Json(Describe),
}

type Describe = fn(&mut SchemaGenerator) -> Schema;

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// Something to read.
    pub(super) fn get(
        path: &'static str,
        summary: &'static str,
        router: MethodRouter<S>,
    ) -> Route<S> {
        let (query, body, answer, is_guarded) = (None, None, Answer::Text, false);
        Route { path, method: "get", summary, router, query, body, answer, is_guarded }
    }

    /// Something to do, which not everybody may.
    pub(super) fn post(
        path: &'static str,
        summary: &'static str,
        router: MethodRouter<S>,
    ) -> Route<S> {
        Route { method: "post", ..Route::get(path, summary, router) }.guarded()
    }

    /// Not for everybody.
    pub(super) fn guarded(self) -> Route<S> {
        Route { is_guarded: true, ..self }
    }

    /// With the fields of `T` in the address.
    pub(super) fn asks<T: JsonSchema>(self) -> Route<S> {
        Route { query: Some(T::json_schema), ..self }
    }

    /// With a `T` as JSON in the body.
    pub(super) fn takes<T: JsonSchema>(self) -> Route<S> {
        Route { body: Some(|schemas| schemas.subschema_for::<T>()), ..self }
    }

    /// With a `T` as JSON in the answer.
    pub(super) fn gives<T: JsonSchema>(self) -> Route<S> {
        Route { answer: Answer::Json(|schemas| schemas.subschema_for::<T>()), ..self }
    }

    /// With octets in the answer.
    pub(super) fn gives_octets(self) -> Route<S> {
        Route { answer: Answer::Octets, ..self }
    }
}

/// The router of all routes.
pub(super) fn router<S: Clone + Send + Sync + 'static>(routes: Vec<Route<S>>) -> Router<S> {
    routes.into_iter().fold(Router::new(), |router, route| router.route(route.path, route.router))
}

/// The description of all routes in OpenAPI 3.1, as pretty JSON with a newline at the end.
pub(super) fn describe<S>(routes: &[Route<S>]) -> String {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let mut paths = Map::new();
    for route in routes {
        let operation = operation(route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Meridian control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Times are milliseconds since 1970. Over the control socket nobody \
                            needs a token.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas.take_definitions(true),
        },
    });
    format!("{document:#}\n")
}

fn operation<S>(route: &Route<S>, schemas: &mut SchemaGenerator) -> Value {
    let mut operation = json!({ "summary": route.summary });
    if let Some(query) = route.query {
        operation["parameters"] = parameters(query(schemas).to_value());
    }
    if let Some(body) = route.body {
        operation["requestBody"] = json!({ "required": true, "content": as_json(body(schemas)) });
    }
    let content = match route.answer {
        Answer::Json(answer) => as_json(answer(schemas)),
        Answer::Octets => json!({ "application/octet-stream": {} }),
        Answer::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
    };
    let problem = as_json(schemas.subschema_for::<Problem>());
    operation["responses"] = json!({
        "200": { "description": "Done.", "content": content },
        "default": { "description": "Not done, and why.", "content": problem },
    });
    if route.is_guarded {
        operation["security"] = json!([{ "token": [] }]);
    }
    operation
}

fn as_json(schema: Schema) -> Value {
    json!({ "application/json": { "schema": schema.to_value() } })
}

/// The fields of an object as fields of an address.
fn parameters(mut object: Value) -> Value {
    let required = object["required"].take();
    let is_required = |name: &str| {
        required.as_array().is_some_and(|names| names.iter().any(|known| known == name))
    };
    let Value::Object(properties) = object["properties"].take() else { return json!([]) };
    let parameter = |(name, mut schema): (String, Value)| {
        let description = schema.as_object_mut().and_then(|it| it.shift_remove("description"));
        json!({
            "name": name,
            "in": "query",
            "required": is_required(&name),
            "description": description,
            "schema": schema,
        })
    };
    properties.into_iter().map(parameter).collect()
}
