//! Candidates in turns on one clock, and their rows of the table.

use std::hint::black_box;
use std::time::Instant;

use anyhow::ensure;
use clap::Args;

#[derive(Args)]
pub(crate) struct Options {
    /// How often each candidate has its turn.
    #[arg(long, default_value_t = 25, global = true)]
    rounds: usize,
    /// Ask each candidate so many times and stop, without a clock: what `instructions` counts.
    #[arg(long, global = true)]
    count: Option<usize>,
}

/// What is asked for. It can be made to wait for an earlier answer.
pub(crate) trait Question: Copy {
    /// The same question, which is not known before `nothing` is. It is 0.
    fn after(self, nothing: u32) -> Self;
}

/// One table, or one way to ask it.
pub(crate) struct Candidate<'a, Q> {
    name: String,
    /// Octets.
    memory: usize,
    find: Box<dyn Find<Q> + 'a>,
}

impl<'a, Q: Question> Candidate<'a, Q> {
    pub(crate) fn new(
        name: impl Into<String>,
        memory: usize,
        find: impl Fn(Q) -> u32 + 'a,
    ) -> Candidate<'a, Q> {
        Candidate { name: name.into(), memory, find: Box::new(find) }
    }
}

/// Loops around a lookup, so that nothing stands between two of them.
trait Find<Q> {
    fn one(&self, question: Q) -> u32;
    fn any_order(&self, questions: &[Q]) -> u32;
    fn in_turn(&self, questions: &[Q], nothing: u32) -> u32;
}

impl<Q: Question, F: Fn(Q) -> u32> Find<Q> for F {
    fn one(&self, question: Q) -> u32 {
        self(question)
    }

    #[inline(never)]
    fn any_order(&self, questions: &[Q]) -> u32 {
        questions.iter().fold(0, |sum, question| sum ^ self(*question))
    }

    #[inline(never)]
    fn in_turn(&self, questions: &[Q], nothing: u32) -> u32 {
        questions.iter().fold(0, |last, question| self(question.after(last & nothing)))
    }
}

/// Questions of one kind, and the name of the kind.
pub(crate) type Asked<Q> = (&'static str, Vec<Q>);

/// Prints a row for each candidate. Each must say to each question what `expect` makes of what the
/// first one says to it.
pub(crate) fn compare<Q: Question>(
    what: &str,
    candidates: &[Candidate<'_, Q>],
    asked: &[Asked<Q>],
    expect: impl Fn(usize, u32) -> u32,
    options: &Options,
) -> anyhow::Result<()> {
    if let Some(count) = options.count {
        return asked.iter().try_for_each(|(kind, questions)| {
            ensure!(count <= questions.len(), "at most {} lookups", questions.len());
            agree(candidates, &questions[..count], &expect)?;
            for candidate in candidates {
                println!("{what}\t{kind}\t{}", candidate.name);
                black_box(candidate.find.any_order(&questions[..count]));
            }
            Ok(())
        });
    }
    for (_, questions) in asked {
        agree(candidates, questions, &expect)?;
    }
    let figures = measure(candidates, asked, options.rounds.max(1));
    println!("{what}");
    print!("{:44}", "");
    for (kind, _) in asked {
        print!("  {kind:>20}");
    }
    println!();
    print!("{:44}", "");
    for _ in asked {
        print!("  {:>10}  {:>8}", "any", "turn");
    }
    println!("  {:>10}", "KiB");
    for (candidate, figures) in candidates.iter().zip(figures) {
        print!("{:44}", candidate.name);
        for (any, turn) in figures {
            print!("  {any:>10.1}  {turn:>8.1}");
        }
        println!("  {:>10.1}", candidate.memory as f64 / 1024.0);
    }
    println!();
    Ok(())
}

fn agree<Q: Question>(
    candidates: &[Candidate<'_, Q>],
    questions: &[Q],
    expect: &impl Fn(usize, u32) -> u32,
) -> anyhow::Result<()> {
    for question in questions {
        let first = candidates[0].find.one(*question);
        for (index, candidate) in candidates.iter().enumerate() {
            let (found, expected) = (candidate.find.one(*question), expect(index, first));
            let name = &candidate.name;
            ensure!(found == expected, "{name} finds {found:#x} in place of {expected:#x}");
        }
    }
    Ok(())
}

/// So many lookups have a time of their own: a fraction of a millisecond, in which the system rarely
/// lets another program run.
const PART: usize = 1 << 12;

/// For each candidate and kind of question the medians, nanoseconds a lookup: in any order, and in
/// turn.
fn measure<Q: Question>(
    candidates: &[Candidate<'_, Q>],
    asked: &[Asked<Q>],
    rounds: usize,
) -> Vec<Vec<(f64, f64)>> {
    let nothing = black_box(0);
    let mut times = vec![vec![(Vec::new(), Vec::new()); asked.len()]; candidates.len()];
    for _ in 0..rounds {
        for (kind, (_, questions)) in asked.iter().enumerate() {
            for (candidate, times) in candidates.iter().zip(&mut times) {
                let (any, turn) = &mut times[kind];
                for part in questions.chunks(PART) {
                    any.push(time(part.len(), || candidate.find.any_order(part)));
                }
                for part in questions.chunks(PART) {
                    turn.push(time(part.len(), || candidate.find.in_turn(part, nothing)));
                }
            }
        }
    }
    let medians = |(any, turn): (Vec<f64>, Vec<f64>)| (median(any), median(turn));
    times.into_iter().map(|kinds| kinds.into_iter().map(medians).collect()).collect()
}

fn time(lookups: usize, work: impl FnOnce() -> u32) -> f64 {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed().as_nanos() as f64 / lookups as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
