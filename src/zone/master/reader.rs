//! Entries to records: directives, and what a record leaves out (RFC 1035 section 5.1).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ParseError, Problem};
use super::files::Files;
use super::generate::{self, Budget, Template};
use super::scanner::{EntryStart, Fault, Scanner, SyntaxError, Token};
use crate::wire::types::UnknownType;
use crate::wire::{Name, Type};
use crate::zone::rdata::{self, DataError, excerpt};
use crate::zone::{Record, Site};

/// The largest TTL (RFC 2181 section 8).
const MAX_TTL: u32 = (1 << 31) - 1;
/// After so many mistakes reading stops.
const MAX_ERRORS: usize = 20;

/// What was read so far, over all files of a zone.
#[derive(Default)]
pub(super) struct Reader<'a> {
    pub(super) records: Vec<Record>,
    pub(super) errors: Vec<ParseError>,
    /// The owner of the first SOA record.
    pub(super) apex: Option<Name>,
    /// The origin in force at the first record.
    pub(super) first_origin: Option<Name>,
    /// Where included files come from; `None` when the zone is no file.
    files: Option<Files<'a>>,
    /// `$TTL` (RFC 2308 section 4).
    default_ttl: Option<u32>,
    /// The last TTL that a record stated itself (RFC 1035 section 5.1).
    last_ttl: Option<u32>,
    /// The last field of the SOA record, where nothing else gives a TTL.
    soa_ttl: Option<u32>,
    generated: Budget,
    /// The data of the record being read.
    data: Vec<u8>,
}

/// One text, and the state that `$INCLUDE` brings back behind it.
#[derive(Debug)]
struct Source<'a> {
    text: &'a [u8],
    file: Arc<PathBuf>,
    origin: Name,
    owner: Option<Name>,
}

type Step<T = ()> = Result<T, Fault<Problem>>;

impl<'a> Reader<'a> {
    /// A reader of a zone that is made of files.
    pub(super) fn of(files: Files<'a>) -> Reader<'a> {
        Reader { files: Some(files), ..Reader::default() }
    }
}

impl Reader<'_> {
    /// Reads a file and those it includes.
    pub(super) fn file(&mut self, path: &Path, origin: Name) {
        let opened = match &mut self.files {
            Some(files) => files.open(path),
            None => Err(Problem::IncludeRefused),
        };
        match opened {
            Ok(text) => self.text(&text, path, origin),
            Err(problem) => {
                let site = Site { file: Arc::new(path.to_owned()), line: 1, column: 1 };
                self.errors.push(ParseError { site, span: 0..0, problem });
            }
        }
    }

    /// Reads a text.
    pub(super) fn text(&mut self, text: &[u8], path: &Path, origin: Name) {
        let mut source = Source { text, file: Arc::new(path.to_owned()), origin, owner: None };
        let mut scanner = Scanner::new(text);
        while self.errors.len() < MAX_ERRORS
            && let Some(start) = scanner.next_entry()
        {
            if let Err(fault) = self.entry(&mut source, &mut scanner, start) {
                self.report(&source, fault);
                if let Some(fault) = scanner.skip_entry() {
                    self.report(&source, fault.map(Problem::Syntax));
                }
            }
        }
    }

    fn report(&mut self, source: &Source<'_>, fault: Fault<Problem>) {
        let before = &source.text[..fault.span.start.min(source.text.len())];
        // At most MAX_ERRORS times, so the text need not be walked less often.
        let line = 1 + before.iter().filter(|&&octet| octet == b'\n').count();
        let line_start = before.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
        let column = 1 + before.len() - line_start;
        let site = Site {
            file: Arc::clone(&source.file),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
        };
        self.errors.push(ParseError { site, span: fault.span, problem: fault.error });
    }

    fn entry(
        &mut self,
        source: &mut Source<'_>,
        scanner: &mut Scanner<'_>,
        start: EntryStart,
    ) -> Step {
        if start.blank {
            if scanner.at_end().map_err(syntax)? {
                return Ok(());
            }
            if source.owner.is_none() {
                let token = scanner.token().map_err(syntax)?;
                return Err(token.map_or_else(
                    || scanner.missing(Problem::NoOwner),
                    |token| token.fault(Problem::NoOwner),
                ));
            }
            let site = source.site(scanner, scanner.offset());
            return self.record(source, scanner, site);
        }
        let Some(token) = scanner.token().map_err(syntax)? else { return Ok(()) };
        if !token.quoted && token.raw.first() == Some(&b'$') {
            return self.directive(source, scanner, token);
        }
        let site = source.site(scanner, token.start);
        match name(&token, "an owner name", &source.origin) {
            Ok(owner) => source.owner = Some(owner),
            Err(fault) => {
                // A stand-in, so that lines below with a blank owner are not mistakes too.
                source.owner = Some(source.origin.clone());
                return Err(fault);
            }
        }
        self.record(source, scanner, site)
    }

    /// Reads TTL, class, type and data, behind the owner.
    fn record(&mut self, source: &Source<'_>, scanner: &mut Scanner<'_>, site: Site) -> Step {
        let Some(owner) = source.owner.clone() else {
            return Err(scanner.missing(Problem::NoOwner));
        };
        let header = self.header(scanner)?;
        self.data.clear();
        if let Err(fault) = rdata::read(header.rtype, scanner, &source.origin, &mut self.data) {
            if header.rtype == Type::SOA {
                // A stand-in, so that records that lean on its TTL are not mistakes too.
                self.soa_ttl = Some(0);
            }
            return Err(fault.map(|error| in_data(header.rtype, error)));
        }
        self.add(source, owner, &header, site).map_err(|problem| header.end.fault(problem))
    }

    /// Reads what stands between owner and data.
    fn header<'a>(&mut self, scanner: &mut Scanner<'a>) -> Step<Header<'a>> {
        let header = header(scanner)?;
        if header.ttl.is_some() {
            self.last_ttl = header.ttl;
        }
        Ok(header)
    }

    /// Adds the record whose data was just read.
    fn add(
        &mut self,
        source: &Source<'_>,
        owner: Name,
        header: &Header<'_>,
        site: Site,
    ) -> Result<(), Problem> {
        if header.rtype == Type::SOA {
            if self.apex.is_none() {
                self.apex = Some(owner.clone());
            }
            if let Some(&minimum) = self.data.last_chunk::<4>() {
                self.soa_ttl = Some(u32::from_be_bytes(minimum).min(MAX_TTL));
            }
        }
        if self.first_origin.is_none() {
            self.first_origin = Some(source.origin.clone());
        }
        let known = header.ttl.or(self.default_ttl).or(self.last_ttl).or(self.soa_ttl);
        let Some(ttl) = known else {
            // A stand-in, so that it is said once and not of every record.
            self.default_ttl = Some(0);
            return Err(Problem::NoTtl);
        };
        let rdata = self.data.as_slice().into();
        self.records.push(Record { owner, ttl, rtype: header.rtype, rdata, site });
        Ok(())
    }

    fn directive(
        &mut self,
        source: &mut Source<'_>,
        scanner: &mut Scanner<'_>,
        token: Token<'_>,
    ) -> Step {
        let is = |name: &[u8]| token.raw.eq_ignore_ascii_case(name);
        if is(b"$ORIGIN") {
            let argument = argument(scanner, "the origin")?;
            let origin = name(&argument, "the origin", &source.origin)?;
            end(scanner)?;
            source.origin = origin;
            Ok(())
        } else if is(b"$TTL") {
            // A stand-in, so that records that lean on it are not mistakes too.
            self.default_ttl = Some(0);
            let argument = argument(scanner, "the default TTL")?;
            self.default_ttl = Some(ttl(&argument)?);
            end(scanner)
        } else if is(b"$INCLUDE") {
            self.include(source, scanner)
        } else if is(b"$GENERATE") {
            self.generate(source, scanner, token)
        } else {
            Err(token.fault(Problem::Directive(excerpt(token.raw))))
        }
    }

    /// `$INCLUDE file [origin]`: origin and owner are afterwards what they were before.
    fn include(&mut self, source: &Source<'_>, scanner: &mut Scanner<'_>) -> Step {
        let argument = argument(scanner, "the file")?;
        let origin = match scanner.token().map_err(syntax)? {
            Some(token) => name(&token, "the origin", &source.origin)?,
            None => source.origin.clone(),
        };
        end(scanner)?;
        let path = path(&argument, &source.file)?;
        let Some(files) = &mut self.files else {
            return Err(argument.fault(Problem::IncludeRefused));
        };
        let text = files.open(&path).map_err(|problem| argument.fault(problem))?;
        self.text(&text, &path, origin);
        if let Some(files) = &mut self.files {
            files.close();
        }
        Ok(())
    }

    /// `$GENERATE range lhs [ttl] [class] type rhs`.
    fn generate(
        &mut self,
        source: &Source<'_>,
        scanner: &mut Scanner<'_>,
        directive: Token<'_>,
    ) -> Step {
        let site = source.site(scanner, directive.start);
        let range = argument(scanner, "the range")?;
        let values = generate::values(range.raw).map_err(|problem| range.fault(problem))?;
        let lhs = argument(scanner, "the owner")?;
        let owners = Template::parse(lhs.raw).map_err(|problem| lhs.fault(problem))?;
        let header = self.header(scanner)?;
        let rhs = rest(scanner)?;
        let data = Template::parse(&rhs.error).map_err(|problem| at(&rhs, problem))?;
        let (mut owner, mut text) = (Vec::new(), Vec::new());
        for value in values {
            owners.expand(value, &mut owner).map_err(|problem| lhs.fault(problem))?;
            data.expand(value, &mut text).map_err(|problem| at(&rhs, problem))?;
            let spent = self.generated.spend(owner.len() + text.len());
            spent.map_err(|problem| range.fault(problem))?;
            let owner = relative(&owner, &source.origin).map_err(|problem| lhs.fault(problem))?;
            self.data.clear();
            let mut line = Scanner::new(&text);
            line.next_entry();
            rdata::read(header.rtype, &mut line, &source.origin, &mut self.data)
                .map_err(|fault| at(&rhs, in_data(header.rtype, fault.error)))?;
            self.add(source, owner, &header, site.clone())
                .map_err(|problem| header.end.fault(problem))?;
        }
        Ok(())
    }
}

impl Source<'_> {
    fn site(&self, scanner: &Scanner<'_>, offset: usize) -> Site {
        Site { file: Arc::clone(&self.file), line: scanner.line(), column: scanner.column(offset) }
    }
}

/// What stands between owner and data.
struct Header<'a> {
    ttl: Option<u32>,
    rtype: Type,
    /// The token that is the type.
    end: Token<'a>,
}

/// Reads `[ttl] [class] type` or `[class] [ttl] type`.
fn header<'a>(scanner: &mut Scanner<'a>) -> Step<Header<'a>> {
    let (mut stated, mut class) = (None, false);
    loop {
        let token = scanner.token().map_err(syntax)?;
        let token = token.ok_or_else(|| scanner.missing(Problem::MissingType))?;
        if token.quoted {
            return Err(token.fault(Problem::Quoted("a type")));
        }
        if stated.is_none() && token.raw.first().is_some_and(u8::is_ascii_digit) {
            stated = Some(ttl(&token)?);
            continue;
        }
        if !class && let Some(name) = class_of(token.raw) {
            if name != 1 {
                return Err(token.fault(Problem::Class(excerpt(token.raw))));
            }
            class = true;
            continue;
        }
        let text = String::from_utf8_lossy(token.raw);
        let rtype: Type = match text.parse() {
            Ok(rtype) => rtype,
            Err(_) => {
                let unknown = UnknownType(excerpt(token.raw));
                return Err(token.fault(unknown.into()));
            }
        };
        if rtype.is_meta() {
            return Err(token.fault(Problem::Meta(rtype)));
        }
        return Ok(Header { ttl: stated, rtype, end: token });
    }
}

/// The number of a class by mnemonic or as `CLASS1` (RFC 3597 section 5); a word that is no
/// class is none.
fn class_of(word: &[u8]) -> Option<u16> {
    const MNEMONICS: [(&[u8], u16); 4] = [(b"IN", 1), (b"CS", 2), (b"CH", 3), (b"HS", 4)];
    if let Some((_, class)) = MNEMONICS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Some(*class);
    }
    let (prefix, digits) = word.split_at_checked(5)?;
    if !prefix.eq_ignore_ascii_case(b"CLASS") || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn ttl(token: &Token<'_>) -> Step<u32> {
    rdata::period(token.raw)
        .filter(|&seconds| seconds <= MAX_TTL && !token.quoted)
        .ok_or_else(|| token.fault(Problem::Ttl(excerpt(token.raw))))
}

fn name(token: &Token<'_>, what: &'static str, origin: &Name) -> Step<Name> {
    if token.quoted {
        return Err(token.fault(Problem::Quoted(what)));
    }
    relative(token.raw, origin).map_err(|problem| token.fault(problem))
}

/// A name as an owner or origin is written: `@` is the origin.
fn relative(raw: &[u8], origin: &Name) -> Result<Name, Problem> {
    if raw == b"@" {
        return Ok(origin.clone());
    }
    Name::parse(raw, origin).map_err(|error| Problem::Name { found: excerpt(raw), error })
}

fn argument<'a>(scanner: &mut Scanner<'a>, what: &'static str) -> Step<Token<'a>> {
    let token = scanner.token().map_err(syntax)?;
    token.ok_or_else(|| scanner.missing(Problem::MissingArgument(what)))
}

/// Makes sure that a directive ends here.
fn end(scanner: &mut Scanner<'_>) -> Step {
    match scanner.token().map_err(syntax)? {
        Some(token) => Err(token.fault(Problem::Extra(excerpt(token.raw)))),
        None => Ok(()),
    }
}

/// The file an include names, relative to the file it stands in.
fn path(token: &Token<'_>, from: &Path) -> Step<PathBuf> {
    let mut octets = Vec::new();
    let decoded = rdata::unescape(token.raw, &mut octets).then(|| String::from_utf8(octets).ok());
    let Some(path) = decoded.flatten() else {
        let reason = "its name is not UTF-8 or holds a backslash that escapes nothing".to_owned();
        let path = PathBuf::from(excerpt(token.raw));
        return Err(token.fault(Problem::Unreadable { path, reason }));
    };
    Ok(from.parent().unwrap_or(Path::new("")).join(path))
}

/// The text of all tokens to the end of the entry. One quoted token stands for what is in its
/// quotes, as in BIND: that is how a right-hand side with blanks is written there.
fn rest(scanner: &mut Scanner<'_>) -> Step<Fault<Vec<u8>>> {
    let mut tokens = Vec::new();
    while let Some(token) = scanner.pair().map_err(syntax)? {
        tokens.push(token);
    }
    let [first, .., last] = tokens[..] else {
        return match tokens[..] {
            [only] => Ok(only.fault(only.raw.to_vec())),
            _ => Err(scanner.missing(Problem::MissingArgument("the data"))),
        };
    };
    let mut text = Vec::new();
    for token in &tokens {
        let quote: &[u8] = if token.quoted { b"\"" } else { b"" };
        for part in [quote, token.raw, quote, b" "] {
            text.extend_from_slice(part);
        }
    }
    Ok(Fault { span: first.start..last.span().end, error: text })
}

fn at<T>(place: &Fault<T>, problem: Problem) -> Fault<Problem> {
    Fault { span: place.span.clone(), error: problem }
}

fn syntax(fault: Fault<SyntaxError>) -> Fault<Problem> {
    fault.map(Problem::Syntax)
}

fn in_data(rtype: Type, error: DataError) -> Problem {
    match error {
        DataError::Syntax(error) => Problem::Syntax(error),
        error => Problem::Data { rtype, error },
    }
}
