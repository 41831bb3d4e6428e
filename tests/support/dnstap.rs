//! A reader of dnstap at a Unix socket, written from the specification of Frame Streams alone.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use super::program::PATIENCE;

/// A reader of dnstap, as the specification of Frame Streams has it.
pub struct Reader(UnixStream);

const TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

impl Reader {
    /// Takes a server that connects, and shakes hands with it.
    pub fn accept(listener: &UnixListener) -> Reader {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = Reader(stream);
        let named = [&[0, 0, 0, 1, 0, 0, 0, TYPE.len() as u8], TYPE].concat();
        let ready = reader.frame().unwrap_err();
        assert_eq!(ready, [&[0, 0, 0, 4][..], &named].concat());
        let accept = [&[0, 0, 0, 1][..], &named].concat();
        reader.control(&accept);
        let start = reader.frame().unwrap_err();
        assert_eq!(start, [&[0, 0, 0, 2][..], &named].concat());
        reader
    }

    fn control(&mut self, content: &[u8]) {
        let front = [0, 0, 0, 0, 0, 0, 0, content.len() as u8];
        self.0.write_all(&[&front[..], content].concat()).unwrap();
    }

    /// The next frame; a control frame is an error.
    pub fn frame(&mut self) -> Result<Vec<u8>, Vec<u8>> {
        match self.sized() {
            empty if empty.is_empty() => Err(self.sized()),
            frame => Ok(frame),
        }
    }

    fn sized(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut octets = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut octets).unwrap();
        octets
    }

    /// Reads to the end, and says that it has; the frames.
    pub fn finish(mut self) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        loop {
            match self.frame() {
                Ok(frame) => frames.push(frame),
                Err(stop) => {
                    assert_eq!(stop, [0, 0, 0, 3]);
                    self.control(&[0, 0, 0, 5]);
                    return frames;
                }
            }
        }
    }
}

/// The file that a program which captures frames writes of them.
pub fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    let start = [&[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, TYPE.len() as u8][..], TYPE].concat();
    let mut file = [&[0, 0, 0, 0, 0, 0, 0, start.len() as u8][..], &start].concat();
    for frame in frames {
        file.extend((frame.len() as u32).to_be_bytes());
        file.extend(frame);
    }
    file.extend([0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 3]);
    file
}
