//! Inputs near good ones: seeds, changed a few times, with words that mean something to the parser.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Bytes of an input at most: beyond what a body's parts have.
const LONGEST: usize = 16 * 1024;

pub struct Mutator {
    random: StdRng,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Mutator {
    pub fn new(seed: u64, seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> Mutator {
        Mutator { random: StdRng::seed_from_u64(seed), seeds, words }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random.random_range(0..end.max(1))
    }

    pub fn next(&mut self) -> Vec<u8> {
        let which = self.below(self.seeds.len());
        let mut input = self.seeds[which].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        // What was found to be something goes on from there.
        if self.below(50) == 0 && self.seeds.len() < 200 {
            self.seeds.push(input.clone());
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(32)).min(input.len());
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.random.next_u32() as u8,
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                let times = 1 + self.below(200);
                let part = input[at..end].repeat(times);
                input.splice(at..at, part);
            }
            5 => {
                let other = self.below(self.seeds.len());
                let from = self.below(self.seeds[other].len() + 1);
                input.splice(at..end, self.seeds[other][from..].to_vec());
            }
            _ => {
                let (word, times) =
                    (self.below(self.words.len()), if self.below(10) == 0 { self.below(2000) } else { 1 });
                input.splice(at..at, self.words[word].as_bytes().repeat(times));
            }
        }
    }
}
