//! Pages of `docs`, tried as a reader tries them: their files, their commands, and what they say is
//! printed, with the real program, real regions and real sockets.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use super::dns::Ask;
use super::http;
use super::program::{Files, Process, Serving, until};

/// What a page has the reader do.
pub struct Page {
    /// Path and content.
    files: Vec<(String, String)>,
    /// What stands in one block is one step of the story.
    blocks: Vec<Vec<Step>>,
}

/// A command, and what the page says that it prints.
struct Step {
    command: String,
    printed: Vec<String>,
}

/// `docs`.
pub fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))
}

/// That each page of a folder of `docs` is tried by these tests, and in the list of the folder.
pub fn every_page_is_tried_and_listed(folder: &str, tests: &str) {
    let folder = directory().join(folder);
    let list = fs::read_to_string(folder.join("README.md")).unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(page) = name.strip_suffix(".md").filter(|page| *page != "README") else {
            continue;
        };
        assert!(tests.contains(&format!("follow(\"{page}\")")), "{name} is not tried");
        assert!(list.contains(&format!("({name})")), "{name} is not listed");
    }
}

impl Page {
    /// A page of `docs`, with the files that all such pages share. Its own take their places.
    pub fn read(name: &str) -> Page {
        let mut page = Page { files: Vec::new(), blocks: Vec::new() };
        for name in ["scenarios/README", name] {
            let text = fs::read_to_string(directory().join(format!("{name}.md"))).unwrap();
            page.add(&text);
        }
        assert!(page.files.len() > 2 && !page.blocks.is_empty(), "{name} has nothing to try");
        page
    }

    fn add(&mut self, text: &str) {
        // Every other piece is inside a fence.
        for block in text.split("```").skip(1).step_by(2) {
            let (language, content) = block.split_once('\n').unwrap();
            match language {
                "toml" | "dns" => {
                    let path = content.lines().next().unwrap().trim_start_matches(['#', ';', ' ']);
                    self.files.push((path.to_owned(), content.to_owned()));
                }
                "console" => self.blocks.push(steps(content)),
                _ => {}
            }
        }
    }

    /// Does all of it.
    pub fn follow(&self) {
        let place = Files::new();
        let demo = place.start(&["demo", "--listen", "127.0.0.1:0", "--regions", "0"]);
        let regions = regions(&demo);
        for (path, content) in &self.files {
            place.write(path, at(content, &regions));
        }
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip");
        std::os::unix::fs::symlink(data, place.path("geoip")).unwrap();
        let reader = Reader { serving: place.serve(), place, regions };
        self.blocks.iter().for_each(|steps| reader.take(steps));
    }
}

fn steps(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => {
                steps.push(Step { command: command.to_owned(), printed: Vec::new() });
            }
            None => steps.last_mut().unwrap().printed.push(line.to_owned()),
        }
    }
    steps
}

/// Where the demo's three regions listen.
fn regions(demo: &Process) -> [SocketAddr; 3] {
    [0, 1, 2].map(|index| {
        let line = demo.stdout.nth(index, "a region", |line| line.contains("/health   clients"));
        let (_, rest) = line.split_once("http://").unwrap();
        rest.split_once('/').unwrap().0.parse().unwrap()
    })
}

/// A text with the regions where they are; on the pages they have the demo's usual ports.
fn at(text: &str, regions: &[SocketAddr; 3]) -> String {
    let mut text = text.to_owned();
    for (region, port) in regions.iter().zip(8101..) {
        text = text.replace(&format!("127.0.0.1:{port}"), &region.to_string());
    }
    text
}

/// Somebody who follows a page.
struct Reader {
    place: Files,
    serving: Serving,
    regions: [SocketAddr; 3],
}

impl Reader {
    /// Takes the steps of a block. A `dig` may have to wait until what was done before it is in
    /// force; in the end all of those after the last other command must be right together. So may
    /// `explain`: where all are down, a `dig` is the same as when all are up again.
    fn take(&self, steps: &[Step]) {
        for step in steps {
            match step.command.split_once(' ') {
                Some(("dig", question)) => {
                    until(&step.command, || self.dig(question) == step.printed);
                }
                Some(("meridian", rest)) if rest.starts_with("explain ") => {
                    until(&step.command, || is_like(&self.printed(step), &step.printed));
                }
                _ => self.run(step),
            }
        }
        for step in steps.iter().rev() {
            let Some(question) = step.command.strip_prefix("dig ") else { break };
            assert_eq!(self.dig(question), step.printed, "{}", step.command);
        }
    }

    /// What `dig … +short` prints.
    fn dig(&self, question: &str) -> Vec<String> {
        let question = question.split(" #").next().unwrap().trim();
        let (question, is_sorted) = match question.strip_suffix(" | sort") {
            Some(question) => (question, true),
            None => (question, false),
        };
        let question = question.strip_prefix("@127.0.0.1 -p 5300 ").unwrap();
        let question = question.strip_suffix(" +short").unwrap();
        let mut words = question.split(' ').peekable();
        let name = words.next().unwrap();
        let rtype = words.next_if(|word| !word.starts_with('+')).unwrap_or("A");
        let mut ask = Ask::new(name, rtype);
        for word in words {
            ask = ask.from(word.strip_prefix("+subnet=").unwrap());
        }
        let told = ask.udp(self.serving.address());
        if is_sorted { told.set() } else { told.data() }
    }

    fn run(&self, step: &Step) {
        let printed = self.printed(step);
        assert!(
            is_like(&printed, &step.printed),
            "{} printed\n{}\nand not\n{}",
            step.command,
            printed.join("\n"),
            step.printed.join("\n")
        );
    }

    fn printed(&self, step: &Step) -> Vec<String> {
        let command = at(&step.command, &self.regions);
        let printed = match command.strip_prefix("curl -X POST ") {
            Some(url) => post(url.trim_matches('\'')),
            None => self.shell(&command),
        };
        printed.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn shell(&self, command: &str) -> String {
        // What takes ten minutes in life is not waited for.
        let command = command.replace("--over 10m", "--over 5s");
        let program = Path::new(env!("CARGO_BIN_EXE_meridian")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh")
            .args(["-c", &command])
            .current_dir(self.place.path(""))
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {}\n{errors}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether lines are those of a page, where `…` stands for any number of them.
fn is_like(lines: &[String], page: &[String]) -> bool {
    match (page, lines) {
        ([], []) => true,
        ([any, rest @ ..], _) if any == "…" => {
            (0..=lines.len()).any(|skipped| is_like(&lines[skipped..], rest))
        }
        ([wanted, page @ ..], [line, lines @ ..]) => {
            wanted.trim_end() == line && is_like(lines, page)
        }
        _ => false,
    }
}

/// The body of the answer to a POST without a body.
fn post(url: &str) -> String {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let reply = http::ask(address.parse().unwrap(), "POST", &format!("/{path}"), "", "");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}
