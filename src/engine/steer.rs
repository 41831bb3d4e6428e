//! What the engine asks of steering.

use crate::steering::{Client, Live, Served, Spin};
use crate::wire::Type;
use crate::zone::RecordId;

/// Something that answers for steered records: [`Live`], or a table made up by a test.
pub trait Steer {
    /// The answer of `record` to a question of `qtype` (not ANY) from `client`.
    fn serve(&self, record: RecordId, qtype: Type, client: Client, spin: &mut Spin) -> Served<'_>;
}

impl Steer for Live {
    #[inline(always)]
    fn serve(&self, record: RecordId, qtype: Type, client: Client, spin: &mut Spin) -> Served<'_> {
        Live::serve(self, record, qtype, client, spin)
    }
}
