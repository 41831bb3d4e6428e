//! A message read from its octets, apart from the program's own reader and writer: sections,
//! names in full, what OPT and TSIG say. Says what breaks the rules for every message.

/// What a message says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) id: u16,
    pub(crate) flags: u16,
    /// The question section as it stands there.
    pub(crate) question: Vec<u8>,
    /// Answer, authority, additional; without OPT and TSIG.
    pub(crate) sections: [Vec<Record>; 3],
    pub(crate) opt: Option<Opt>,
    /// The error code in the TSIG record (RFC 8945 section 4.2).
    pub(crate) tsig: Option<u16>,
}

/// A record, its names in full.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    pub(crate) owner: Vec<u8>,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Vec<u8>,
}

/// An OPT record (RFC 6891).
#[derive(Debug, Clone, Default)]
pub(crate) struct Opt {
    /// The upper bits of the response code.
    pub(crate) extended: u8,
    pub(crate) version: u8,
    pub(crate) flags: u16,
    pub(crate) options: Vec<(u16, Vec<u8>)>,
}

const SOA: u16 = 6;
const OPT: u16 = 41;
const TSIG: u16 = 250;

impl Message {
    /// Reads a whole message: every octet belongs to something, pointers go back, names are
    /// compressed only in data whose type is in RFC 1035 (RFC 3597 section 4).
    pub(crate) fn read(octets: &[u8]) -> Result<Message, String> {
        let mut reader = Reader { octets, at: 0 };
        let (id, flags) = (reader.word()?, reader.word()?);
        let counts = [reader.word()?, reader.word()?, reader.word()?, reader.word()?];
        let mut message = Message { id, flags, ..Message::default() };
        for _ in 0..counts[0] {
            reader.name(true)?;
            reader.take(4)?;
        }
        message.question = octets[12..reader.at].to_vec();
        for (section, count) in counts[1..].iter().enumerate() {
            for _ in 0..*count {
                message.record(section, &mut reader)?;
            }
        }
        match octets.len() - reader.at {
            0 => Ok(message),
            left => Err(format!("{left} octets behind the last record")),
        }
    }

    /// The response code with the bits that OPT has of it.
    pub(crate) fn rcode(&self) -> u16 {
        self.flags & 15 | self.opt.as_ref().map_or(0, |opt| u16::from(opt.extended) << 4)
    }

    /// How many SOA records the answer has: the second one ends a transfer.
    pub(crate) fn soas(&self) -> usize {
        self.sections[0].iter().filter(|record| record.rtype == SOA).count()
    }

    fn record(&mut self, section: usize, reader: &mut Reader<'_>) -> Result<(), String> {
        let owner = reader.name(true)?;
        let (rtype, class) = (reader.word()?, reader.word()?);
        let ttl = u32::from(reader.word()?) << 16 | u32::from(reader.word()?);
        let end = usize::from(reader.word()?) + reader.at;
        let data = reader.data(rtype, end)?;
        match (rtype, section) {
            (OPT, 2) => {
                if owner != [0] || self.opt.is_some() {
                    return Err("an OPT record of its own kind".to_owned());
                }
                let [extended, version, high, low] = ttl.to_be_bytes();
                let flags = u16::from_be_bytes([high, low]);
                self.opt = Some(Opt { extended, version, flags, options: options(&data)? });
            }
            (TSIG, 2) => {
                let mut reader = Reader { octets: &data, at: 0 };
                reader.name(false)?;
                reader.take(8)?;
                let mac = reader.word()?;
                reader.take(usize::from(mac) + 2)?;
                self.tsig = Some(reader.word()?);
            }
            _ => self.sections[section].push(Record { owner, rtype, class, ttl, data }),
        }
        Ok(())
    }
}

fn options(data: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, String> {
    let mut reader = Reader { octets: data, at: 0 };
    let mut options = Vec::new();
    while reader.at < data.len() {
        let (code, len) = (reader.word()?, reader.word()?);
        options.push((code, reader.take(usize::from(len))?.to_vec()));
    }
    Ok(options)
}

struct Reader<'m> {
    octets: &'m [u8],
    at: usize,
}

impl<'m> Reader<'m> {
    fn take(&mut self, len: usize) -> Result<&'m [u8], String> {
        let taken = self.octets.get(self.at..self.at + len).ok_or("it ends too early")?;
        self.at += len;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u16, String> {
        let octets = self.take(2)?;
        Ok(u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// A name in full.
    fn name(&mut self, may_be_compressed: bool) -> Result<Vec<u8>, String> {
        let mut name = Vec::new();
        // From where on nothing may be pointed at, and where reading goes on.
        let (mut low, mut after) = (self.at, None);
        loop {
            let len = self.take(1)?[0];
            match len {
                0 => break,
                1..=63 => {
                    name.push(len);
                    name.extend(self.take(usize::from(len))?);
                }
                0xc0.. if may_be_compressed => {
                    let target = usize::from(len & 0x3f) << 8 | usize::from(self.take(1)?[0]);
                    if !(12..low).contains(&target) {
                        return Err(format!("a pointer at {} to {target}", self.at - 2));
                    }
                    after = after.or(Some(self.at));
                    (low, self.at) = (target, target);
                }
                _ => return Err(format!("a label of type {len:#x} at {}", self.at - 1)),
            }
        }
        self.at = after.unwrap_or(self.at);
        name.push(0);
        if name.len() > 255 { Err("a name of over 255 octets".to_owned()) } else { Ok(name) }
    }

    /// The data of a record up to `end`, with the names of RFC 1035's types in full.
    fn data(&mut self, rtype: u16, end: usize) -> Result<Vec<u8>, String> {
        // Octets in front of names, and how many names.
        let (front, names) = match rtype {
            2 | 3 | 4 | 5 | 7 | 8 | 9 | 12 => (0, 1),
            SOA | 14 => (0, 2),
            15 => (2, 1),
            _ => (0, 0),
        };
        let mut data = self.take(front)?.to_vec();
        for _ in 0..names {
            data.extend(self.name(true)?);
        }
        let rest = end.checked_sub(self.at).ok_or("data that is longer than it says")?;
        data.extend(self.take(rest)?);
        Ok(data)
    }
}
