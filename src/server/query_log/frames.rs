//! Frame Streams: frames of any octets, each behind its length, on a file or a socket.
//!
//! A stream begins with a control frame START and ends with STOP; on a socket READY, ACCEPT and FINISH
//! go back and forth around these. A control frame stands behind a length of 0.

use super::dnstap::CONTENT_TYPE;

/// Types of control frames.
pub(super) const ACCEPT: u32 = 1;
pub(super) const START: u32 = 2;
pub(super) const STOP: u32 = 3;
pub(super) const READY: u32 = 4;
pub(super) const FINISH: u32 = 5;

/// The one field of control frames: a type of content.
const FIELD_CONTENT_TYPE: u32 = 1;

/// Octets of the longest control frame.
pub(super) const LONGEST_CONTROL: usize = 512;

/// Octets of the longest frame that is read.
const LONGEST: usize = 1 << 20;

/// Appends a frame; it is not empty.
pub(super) fn put(frame: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(frame.len() as u32).to_be_bytes());
    out.extend_from_slice(frame);
}

/// A control frame, with the type of our content where it has one.
pub(super) fn control(kind: u32) -> Vec<u8> {
    let mut content = kind.to_be_bytes().to_vec();
    if matches!(kind, ACCEPT | START | READY) {
        content.extend_from_slice(&FIELD_CONTENT_TYPE.to_be_bytes());
        put(CONTENT_TYPE, &mut content);
    }
    let mut frame = vec![0; 4];
    put(&content, &mut frame);
    frame
}

/// What the content of a control frame says: its type, and whether our content is among those it
/// names. `None` when it is malformed.
pub(super) fn read_control(content: &[u8]) -> Option<(u32, bool)> {
    let (kind, mut rest) = number(content)?;
    let (mut names_any, mut names_ours) = (false, false);
    while !rest.is_empty() {
        let (field, behind) = number(rest)?;
        let (length, behind) = number(behind)?;
        let (value, behind) = behind.split_at_checked(length as usize)?;
        if field == FIELD_CONTENT_TYPE {
            names_any = true;
            names_ours |= value == CONTENT_TYPE;
        }
        rest = behind;
    }
    // Who names none takes any.
    Some((kind, names_ours || !names_any))
}

fn number(octets: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = octets.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

/// Where the last frame ends that begins and ends within the first `done` octets.
pub(super) fn whole(octets: &[u8], done: usize) -> usize {
    let mut at = 0;
    while let Some((length, _)) = octets.get(at..).and_then(number) {
        match at + 4 + length as usize {
            end if end <= done => at = end,
            _ => break,
        }
    }
    at
}

/// A stream that cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FramesError {
    /// A frame ends behind the stream, or is longer than 1 MiB, or a control frame is malformed.
    #[error("the frames are cut short or no Frame Streams at octet {0}")]
    Malformed(usize),
    /// Something else than dnstap.
    #[error("the frames are not of dnstap but of another content")]
    OtherContent,
}

/// Goes through the frames of a stream; ends behind the first error.
#[derive(Debug, Clone)]
pub struct Frames<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Frames<'a> {
    /// The frames of a file; `None` when it is no such file.
    pub fn of_file(octets: &'a [u8]) -> Option<Frames<'a>> {
        let (_, rest) = number(octets).filter(|(escape, _)| *escape == 0)?;
        let (length, rest) = number(rest)?;
        let (kind, _) = read_control(rest.get(..length as usize)?)?;
        (kind == START).then_some(Frames { octets, at: 0 })
    }

    /// Frames with no control frame in front.
    #[cfg(test)]
    pub(super) fn bare(octets: &'a [u8]) -> Frames<'a> {
        Frames { octets, at: 0 }
    }

    /// The next frame that is no control frame.
    fn read(&mut self) -> Result<Option<&'a [u8]>, FramesError> {
        let malformed = FramesError::Malformed(self.at);
        let mut take = |longest: usize| {
            let rest = self.octets.get(self.at..)?;
            let (length, rest) = number(rest)?;
            let frame = rest.get(..length as usize).filter(|frame| frame.len() <= longest)?;
            self.at += 4 + frame.len();
            Some(frame)
        };
        loop {
            let frame = take(LONGEST).ok_or(malformed)?;
            if !frame.is_empty() {
                return Ok(Some(frame));
            }
            match take(LONGEST_CONTROL).and_then(read_control).ok_or(malformed)? {
                (STOP, _) => return Ok(None),
                (START, false) => return Err(FramesError::OtherContent),
                _ => {}
            }
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], FramesError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Files of writers that did not end in order have no STOP.
        if self.at >= self.octets.len() {
            return None;
        }
        let read = self.read();
        if !matches!(read, Ok(Some(_))) {
            self.at = self.octets.len();
        }
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(frames: &[&[u8]], is_ended: bool) -> Vec<u8> {
        let mut file = control(START);
        frames.iter().for_each(|frame| put(frame, &mut file));
        if is_ended {
            file.extend(control(STOP));
        }
        file
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        for is_ended in [true, false] {
            let file = file(&[b"one", b"two"], is_ended);
            let frames: Vec<_> = Frames::of_file(&file).unwrap().collect();
            assert_eq!(frames, [Ok(&b"one"[..]), Ok(&b"two"[..])]);
        }
    }

    #[test]
    fn control_frames_are_the_octets_of_the_format() {
        assert_eq!(control(STOP), [0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]);
        let mut start = vec![0, 0, 0, 0, 0, 0, 0, 34, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 22];
        start.extend(b"protobuf:dnstap.Dnstap");
        assert_eq!(control(START), start);
        assert_eq!(read_control(&start[8..]), Some((START, true)));
        assert_eq!(read_control(&[0, 0, 0, 5]), Some((FINISH, true)));
        assert_eq!(
            read_control(&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'x']),
            Some((ACCEPT, false))
        );
    }

    #[test]
    fn a_file_that_is_cut_short_says_where() {
        let whole = file(&[b"one", b"two"], false);
        let cut = &whole[..whole.len() - 1];
        let last = whole.len() - 7;
        let frames: Vec<_> = Frames::of_file(cut).unwrap().collect();
        assert_eq!(frames, [Ok(&b"one"[..]), Err(FramesError::Malformed(last))]);
        for length in 0..42 {
            assert!(Frames::of_file(&whole[..length]).is_none(), "{length}");
        }
        assert!(Frames::of_file(b"192.0.2.1\n").is_none());
    }

    #[test]
    fn what_is_not_dnstap_is_refused() {
        let mut other = file(&[b"one"], true);
        other[20] ^= 1;
        let frames: Vec<_> = Frames::of_file(&other).unwrap().collect();
        assert_eq!(frames, [Err(FramesError::OtherContent)]);
    }

    #[test]
    fn a_broken_connection_goes_on_with_the_first_frame_that_did_not_go_out() {
        let mut octets = Vec::new();
        put(b"one", &mut octets);
        put(b"three", &mut octets);
        let wholes: Vec<usize> = (0..=octets.len()).map(|done| whole(&octets, done)).collect();
        assert_eq!(wholes[..7], [0; 7]);
        assert_eq!(wholes[7..16], [7; 9]);
        assert_eq!(wholes[16], 16);
    }
}
