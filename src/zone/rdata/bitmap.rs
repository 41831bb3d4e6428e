//! Type bitmaps (RFC 4034 section 4.1.2).

/// The octets of one window: number, length, and 1 to 32 octets of bits that do not end in zero.
pub(super) fn window_len(rest: &[u8]) -> Option<usize> {
    let &[_, len @ 1..=32, ref bits @ ..] = rest else { return None };
    let last = bits.get(usize::from(len) - 1)?;
    (*last != 0).then_some(2 + usize::from(len))
}

/// Whether the window numbers of well-formed windows ascend.
pub(super) fn ascends(mut rest: &[u8]) -> bool {
    let mut last = None;
    while let &[window, len, ref tail @ ..] = rest {
        if last.is_some_and(|last| last >= window) {
            return false;
        }
        last = Some(window);
        rest = tail.get(usize::from(len)..).unwrap_or_default();
    }
    true
}

/// Writes the windows of a set of type numbers; repeated numbers count once.
pub(super) fn write(mut types: Vec<u16>, out: &mut Vec<u8>) {
    types.sort_unstable();
    for window in types.chunk_by(|a, b| a >> 8 == b >> 8) {
        let mut bits = [0u8; 32];
        for number in window {
            let [_, bit] = number.to_be_bytes();
            bits[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
        }
        let [number, last] = window[window.len() - 1].to_be_bytes();
        let len = last / 8 + 1;
        out.extend_from_slice(&[number, len]);
        out.extend_from_slice(&bits[..usize::from(len)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_4034_is_written_in_its_octets() {
        let mut out = Vec::new();
        write(vec![1234, 1, 15, 46, 47], &mut out);
        let mut expected = vec![0x00, 0x06, 0x40, 0x01, 0x00, 0x00, 0x00, 0x03, 0x04, 0x1b];
        expected.extend([0; 26]);
        expected.push(0x20);
        assert_eq!(out, expected);
        assert_eq!(window_len(&out), Some(8));
        assert!(ascends(&out));
    }

    #[test]
    fn windows_out_of_order_or_padded_are_refused() {
        assert!(!ascends(&[1, 1, 0x40, 0, 1, 0x40]));
        assert_eq!(window_len(&[0, 2, 0x40, 0]), None);
        assert_eq!(window_len(&[0, 0]), None);
        assert_eq!(window_len(&[0, 33]), None);
    }
}
