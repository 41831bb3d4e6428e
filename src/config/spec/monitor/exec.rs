//! Monitors of kind `exec`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::spec::rhythm::with_rhythm;
use crate::config::spec::{Spanned, Words};

with_rhythm! {
    /// A monitor that runs a program; its exit code 0 is a success. Refused unless the server's
    /// file allows it: `[health] exec = true`.
    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    pub struct ExecSpec {
        /// The program, relative to this file, and what it is given. There is no shell, and `PATH`
        /// is not searched.
        pub command: Words,
        /// The port that the program is told. A member's own port comes before it.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<Spanned<i64>>,
    }
}
