//! A terminal for `top`: its size, its keys, and frames one over another. When it is given back it
//! is as it was.

use std::io::{self, Read, Write};
use std::thread;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::frame::Size;

/// The other screen, and no cursor (xterm's private modes 1049 and 25).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// What somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Pause,
    /// Down, or up.
    Lines(isize),
    Pages(isize),
}

/// A terminal that shows frames and not what is typed, until it is dropped.
pub(super) struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Takes the terminal of the process.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn take() -> io::Result<Terminal> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let terminal = Terminal { before };
        write(ENTER)?;
        Ok(terminal)
    }

    /// Shows a frame in the place of the last one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn show(&self, lines: &[String]) -> io::Result<()> {
        let mut text = String::from("\x1b[H");
        for (index, line) in lines.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { "\r\n" });
            text.push_str(line);
            // What was longer before.
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        write(&text)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // There is nobody left to tell when it does not work.
        let _ = write(LEAVE);
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// How large the screen is; `None` when there is none.
pub(super) fn size() -> Option<Size> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    let (width, height) = (usize::from(size.ws_col), usize::from(size.ws_row));
    (width > 0 && height > 0).then_some(Size { width, height })
}

/// Keys as they are pressed; the end when there is no more input.
pub(super) fn keys() -> mpsc::UnboundedReceiver<Key> {
    let (sender, receiver) = mpsc::unbounded_channel();
    // It ends with the process, or with the input.
    thread::spawn(move || {
        let mut octets = [0; 64];
        while let Ok(count @ 1..) = io::stdin().lock().read(&mut octets) {
            for key in pressed(&octets[..count]) {
                if sender.send(key).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// The keys in what was read; others are nobody's.
fn pressed(mut octets: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    while let Some(first) = octets.first() {
        let known: [(&[u8], Key); 8] = [
            (b"\x1b[A", Key::Lines(-1)),
            (b"\x1b[B", Key::Lines(1)),
            (b"\x1bOA", Key::Lines(-1)),
            (b"\x1bOB", Key::Lines(1)),
            (b"\x1b[5~", Key::Pages(-1)),
            (b"\x1b[6~", Key::Pages(1)),
            (b"\x1b[H", Key::Lines(-1_000_000)),
            (b"\x1b[F", Key::Lines(1_000_000)),
        ];
        if let Some((sequence, key)) = known.iter().find(|(known, _)| octets.starts_with(known)) {
            keys.push(*key);
            octets = &octets[sequence.len()..];
            continue;
        }
        match first {
            // Ctrl-C and Ctrl-D, which are no signals in this mode.
            b'q' | b'Q' | 3 | 4 => keys.push(Key::Quit),
            b'p' | b'P' => keys.push(Key::Pause),
            b'k' => keys.push(Key::Lines(-1)),
            b'j' => keys.push(Key::Lines(1)),
            b' ' => keys.push(Key::Pages(1)),
            _ => {}
        }
        octets = &octets[1..];
    }
    keys
}

fn write(text: &str) -> io::Result<()> {
    let out = &mut io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_alone_and_in_a_row() {
        assert_eq!(pressed(b"q"), [Key::Quit]);
        assert_eq!(pressed(b"\x1b[A\x1b[6~p"), [Key::Lines(-1), Key::Pages(1), Key::Pause]);
        assert_eq!(pressed(b"\x03"), [Key::Quit]);
        assert_eq!(pressed(b"x\x1b["), []);
    }
}
