//! Answers to requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), the latest of them.

use bytes::Bytes;
use hyper::StatusCode;
use std::collections::{HashMap, VecDeque};

/// A day: clients that retry later than that have their events' ids.
const SECONDS: i64 = 86_400;
const ANSWERS: usize = 200_000;
/// Of the answers' bodies; with keys and entries some 100 MB.
const BYTES: usize = 64 << 20;
/// A full batch's answer has a tenth of it; one that tells a thousand rows of twenty errors each is not kept.
const BYTES_OF_ONE: usize = 1 << 20;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: &'static str,
    pub body: Bytes,
}

#[derive(PartialEq, Eq, Debug)]
pub enum Asked {
    New,
    UnderWay,
    /// The key came with another payload before.
    OtherPayload,
    Answered(Answer),
}

pub struct Answers {
    known: HashMap<[u8; 16], Entry>,
    /// Those that are answered, oldest first, with their times.
    oldest: VecDeque<([u8; 16], i64)>,
    bytes: usize,
    most: usize,
    most_bytes: usize,
}

struct Entry {
    payload: [u8; 16],
    /// None while the request is under way.
    answer: Option<Answer>,
}

impl Default for Answers {
    fn default() -> Self {
        Answers::with_limits(ANSWERS, BYTES)
    }
}

impl Answers {
    fn with_limits(most: usize, most_bytes: usize) -> Answers {
        Answers { known: HashMap::new(), oldest: VecDeque::new(), bytes: 0, most, most_bytes }
    }

    /// A new one is under way until it is answered or forgotten.
    pub fn ask(&mut self, id: [u8; 16], payload: [u8; 16], now: i64) -> Asked {
        self.make_room(now, 0);
        match self.known.get(&id) {
            None => {
                self.known.insert(id, Entry { payload, answer: None });
                Asked::New
            }
            Some(entry) if entry.payload != payload => Asked::OtherPayload,
            Some(Entry { answer: None, .. }) => Asked::UnderWay,
            Some(Entry { answer: Some(answer), .. }) => Asked::Answered(answer.clone()),
        }
    }

    pub fn answered(&mut self, id: [u8; 16], answer: Answer, now: i64) {
        let bytes = answer.body.len();
        if bytes > BYTES_OF_ONE.min(self.most_bytes) {
            return self.forget(id);
        }
        self.make_room(now, bytes);
        if let Some(entry @ Entry { answer: None, .. }) = self.known.get_mut(&id) {
            entry.answer = Some(answer);
            self.oldest.push_back((id, now));
            self.bytes += bytes;
        }
    }

    /// What is under way; an answer stays.
    pub fn forget(&mut self, id: [u8; 16]) {
        if self.known.get(&id).is_some_and(|entry| entry.answer.is_none()) {
            self.known.remove(&id);
        }
    }

    /// Takes away what is too old, and the oldest of what is too much with so many bytes more.
    fn make_room(&mut self, now: i64, bytes: usize) {
        while let Some(&(id, at)) = self.oldest.front()
            && (at + SECONDS <= now || self.oldest.len() >= self.most || self.bytes + bytes > self.most_bytes)
        {
            self.oldest.pop_front();
            let answer = self.known.remove(&id).and_then(|entry| entry.answer);
            self.bytes -= answer.map_or(0, |answer| answer.body.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::ACCEPTED, content_type: "application/json", body: vec![b'x'; bytes].into() }
    }

    #[test]
    fn a_request_is_done_once_and_its_answer_given_again() {
        let mut answers = Answers::default();
        let (id, payload, other) = ([1; 16], [2; 16], [3; 16]);
        assert_eq!(answers.ask(id, payload, 0), Asked::New);
        assert_eq!(answers.ask(id, payload, 0), Asked::UnderWay);
        assert_eq!(answers.ask(id, other, 0), Asked::OtherPayload);
        answers.forget(id);
        assert_eq!(answers.ask(id, other, 0), Asked::New, "it came to nothing");
        answers.answered(id, answer(3), 10);
        answers.forget(id);
        assert_eq!(answers.ask(id, other, 10 + SECONDS - 1), Asked::Answered(answer(3)));
        assert_eq!(answers.ask(id, payload, 10), Asked::OtherPayload);
        assert_eq!(answers.ask(id, payload, 10 + SECONDS), Asked::New);
        assert_eq!(answers.bytes, 0);
    }

    #[test]
    fn answers_are_bounded_and_the_oldest_goes() {
        let mut answers = Answers::with_limits(3, 100);
        for (number, bytes) in [(1, 10), (2, 10), (3, 10), (4, 10)] {
            assert_eq!(answers.ask([number; 16], [0; 16], 0), Asked::New);
            answers.answered([number; 16], answer(bytes), 0);
        }
        assert_eq!((answers.known.len(), answers.bytes), (3, 30));
        assert_eq!(answers.ask([5; 16], [0; 16], 0), Asked::New);
        answers.answered([5; 16], answer(95), 0);
        assert_eq!((answers.known.len(), answers.bytes), (1, 95));
        assert_eq!(answers.ask([6; 16], [0; 16], 0), Asked::New);
        answers.answered([6; 16], answer(101), 0);
        assert_eq!(answers.ask([6; 16], [0; 16], 0), Asked::New, "too large to be kept");
        assert_eq!(answers.ask([5; 16], [0; 16], 0), Asked::Answered(answer(95)), "what is under way takes no room");
    }
}
