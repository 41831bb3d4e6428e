//! Digests whose length is fixed by the number of their kind.

use super::error::DataError;
use crate::wire::Type;

/// Checks the digest in well-formed data of the types that carry one; kinds not known pass.
pub(super) fn check(rtype: Type, rdata: &[u8]) -> Result<(), DataError> {
    // Where the number of the kind stands, and where the digest starts.
    let (kind_at, digest_at) = match rtype {
        Type::DS | Type::CDS => (3, 4),
        Type::SSHFP => (1, 2),
        Type::TLSA | Type::SMIMEA => (2, 3),
        Type::ZONEMD => (5, 6),
        _ => return Ok(()),
    };
    let (Some(&kind), Some(digest)) = (rdata.get(kind_at), rdata.get(digest_at..)) else {
        return Ok(());
    };
    let wanted = match (rtype, kind) {
        // RFC 3658, RFC 4509, RFC 6605.
        (Type::DS | Type::CDS, 1) => 20,
        (Type::DS | Type::CDS, 2) => 32,
        (Type::DS | Type::CDS, 4) => 48,
        // RFC 4255, RFC 6594.
        (Type::SSHFP, 1) => 20,
        (Type::SSHFP, 2) => 32,
        // RFC 6698 section 2.1.3.
        (Type::TLSA | Type::SMIMEA, 1) => 32,
        (Type::TLSA | Type::SMIMEA, 2) => 64,
        // RFC 8976 section 5.3.
        (Type::ZONEMD, 1) => 48,
        (Type::ZONEMD, 2) => 64,
        _ => return Ok(()),
    };
    let found = digest.len();
    if found == wanted { Ok(()) } else { Err(DataError::DigestLength { wanted, found }) }
}
