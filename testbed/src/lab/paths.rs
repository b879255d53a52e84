//! The state of every way between two regions, and what it does to a packet. Pure: time and chance are arguments.

use std::time::Duration;

use crate::history::{Micros, micros};
use crate::language::trace::Condition;
use crate::language::{How, Topology, units};

/// Most time that packets may queue before a rate limit; more are dropped, as a router would.
const MOST_QUEUED: Micros = 200_000;

/// One way between two regions.
#[derive(Debug, Clone, Default)]
pub struct Way {
    delay: Micros,
    jitter: Micros,
    rate: Option<u64>,
    loss: f64,
    cut: Option<How>,
    slower: Option<(Micros, Micros)>,
    lossier: Option<f64>,
    throttled: Option<u64>,
    free_at: Micros,
    last_due: Micros,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives at this time.
    Arrives(Micros),
    /// It vanishes.
    Vanishes,
    /// Its sender is told that it is refused.
    Refused,
    /// There is no link.
    NoRoute,
}

/// All ways.
#[derive(Debug, Clone)]
pub struct Paths {
    regions: usize,
    ways: Vec<Option<Way>>,
}

impl Paths {
    /// The ways as the topology's links describe them.
    pub fn of(topology: &Topology) -> Self {
        let regions = topology.regions.len();
        let mut paths = Self { regions, ways: vec![None; regions * regions] };
        for link in &topology.links {
            let ends = (topology.region_index(&link.between.0), topology.region_index(&link.between.1));
            let (Some(a), Some(b)) = ends else { continue };
            let way = Way {
                delay: micros(link.delay),
                jitter: micros(link.jitter),
                rate: link.rate,
                loss: link.loss,
                ..Way::default()
            };
            paths.ways[a * regions + b] = Some(way.clone());
            paths.ways[b * regions + a] = Some(way);
        }
        paths
    }

    /// The way from one region to another, if a link makes one.
    pub fn way(&mut self, from: usize, to: usize) -> Option<&mut Way> {
        if from >= self.regions || to >= self.regions {
            return None;
        }
        self.ways[from * self.regions + to].as_mut()
    }

    /// What becomes of a packet of `bytes` sent now. `chance` draws from [0, 1).
    pub fn send(
        &mut self,
        from: usize,
        to: usize,
        bytes: usize,
        now: Micros,
        chance: &mut impl FnMut() -> f64,
    ) -> Fate {
        self.way(from, to).map_or(Fate::NoRoute, |way| way.send(bytes, now, chance))
    }

    /// Whether a packet under way still arrives.
    pub fn open(&mut self, from: usize, to: usize) -> bool {
        self.way(from, to).is_some_and(|way| way.cut.is_none())
    }
}

impl Way {
    /// Cuts or opens the way.
    pub fn cut(&mut self, how: Option<How>) {
        self.cut = how;
    }

    /// Adds delay and jitter beyond the link's own.
    pub fn slow(&mut self, slower: Option<(Duration, Duration)>) {
        self.slower = slower.map(|(by, jitter)| (micros(by), micros(jitter)));
    }

    /// Replaces the link's own loss.
    pub fn lossy(&mut self, loss: Option<f64>) {
        self.lossier = loss;
    }

    /// Limits the rate further than the link does. What queued for the old rate is forgotten.
    pub fn throttle(&mut self, rate: Option<u64>) {
        self.throttled = rate;
        self.free_at = 0;
    }

    /// Makes it as a line of a trace says.
    pub fn follow(&mut self, condition: &Condition) {
        let slower = (condition.delay, condition.jitter);
        self.cut(condition.down.then_some(How::BlackHole));
        self.slow((slower != (Duration::ZERO, Duration::ZERO)).then_some(slower));
        self.lossy(condition.loss);
        self.throttle(condition.rate);
    }

    /// How it is cut, if it is.
    pub fn is_cut(&self) -> Option<How> {
        self.cut
    }

    /// In words, what is worse than the topology says; none when nothing is.
    pub fn impaired(&self) -> Option<String> {
        let slow = self.slower.map(|(by, _)| format!("{} ms slower", by / 1000));
        let lossy = self.lossier.map(|loss| format!("{}% lost", loss * 100.0));
        let throttled = self.throttled.map(|rate| format!("at most {}", units::show_rate(rate)));
        let words: Vec<_> = slow.into_iter().chain(lossy).chain(throttled).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    fn send(&mut self, bytes: usize, now: Micros, chance: &mut impl FnMut() -> f64) -> Fate {
        match self.cut {
            Some(How::BlackHole) => return Fate::Vanishes,
            Some(How::Refused | How::Reset) => return Fate::Refused,
            None => {}
        }
        let loss = self.lossier.unwrap_or(self.loss);
        if loss > 0.0 && chance() < loss {
            return Fate::Vanishes;
        }
        let mut leaves = now;
        if let Some(rate) = self.rate.into_iter().chain(self.throttled).min() {
            let begins = self.free_at.max(now);
            if begins - now > MOST_QUEUED {
                return Fate::Vanishes;
            }
            leaves = begins + (bytes as u64 * 8_000_000).div_ceil(rate);
            self.free_at = leaves;
        }
        let (more, wobble) = self.slower.unwrap_or_default();
        let jitter = self.jitter + wobble;
        let mut delay = self.delay + more;
        if jitter > 0 {
            let wander = (chance() * 2.0 - 1.0) * jitter as f64;
            delay = delay.saturating_add_signed(wander as i64);
        }
        // A way keeps the order of its packets, as a cable does.
        self.last_due = self.last_due.max(leaves + delay);
        Fate::Arrives(self.last_due)
    }
}

/// Numbers that look random and repeat with their seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, in [0, 1).
    pub fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Link;

    fn two(link: Link) -> Paths {
        Paths::of(&Topology {
            regions: vec!["a".into(), "b".into(), "c".into()],
            links: vec![link],
            ..Topology::default()
        })
    }

    fn link() -> Link {
        Link {
            between: ("a".into(), "b".into()),
            delay: Duration::from_millis(10),
            jitter: Duration::ZERO,
            rate: None,
            loss: 0.0,
            line: 1,
        }
    }

    #[test]
    fn only_links_forward() {
        let mut paths = two(link());
        let mut none = || 0.5;
        assert_eq!(paths.send(0, 1, 100, 5, &mut none), Fate::Arrives(10_005));
        assert_eq!(paths.send(1, 0, 100, 5, &mut none), Fate::Arrives(10_005));
        assert_eq!(paths.send(0, 2, 100, 5, &mut none), Fate::NoRoute);
        assert_eq!(paths.send(0, 9, 100, 5, &mut none), Fate::NoRoute);
    }

    #[test]
    fn a_one_way_cut_leaves_the_other_way() {
        let mut paths = two(link());
        paths.way(0, 1).unwrap().cut(Some(How::BlackHole));
        assert_eq!(paths.send(0, 1, 100, 0, &mut || 0.5), Fate::Vanishes);
        assert!(matches!(paths.send(1, 0, 100, 0, &mut || 0.5), Fate::Arrives(_)));
        assert!(!paths.open(0, 1) && paths.open(1, 0));
    }

    #[test]
    fn jitter_never_reorders() {
        let mut paths = two(Link { jitter: Duration::from_millis(9), ..link() });
        let mut chance = Chance::new(7);
        let mut last = 0;
        for now in (0..100_000).step_by(100) {
            let Fate::Arrives(due) = paths.send(0, 1, 100, now, &mut || chance.draw()) else {
                panic!("lost")
            };
            assert!(due >= last && due >= now + 1_000 && due <= now + 19_000 + 9_000);
            last = due;
        }
    }

    #[test]
    fn a_rate_spaces_packets_and_drops_what_would_wait_too_long() {
        let mut paths = two(Link { rate: Some(8_000_000), ..link() });
        let times: Vec<_> = (0..3).map(|_| paths.send(0, 1, 1000, 0, &mut || 0.5)).collect();
        assert_eq!(times, [Fate::Arrives(11_000), Fate::Arrives(12_000), Fate::Arrives(13_000)]);
        let lost = (0..1000).filter(|_| paths.send(0, 1, 1000, 0, &mut || 0.5) == Fate::Vanishes).count();
        assert!(lost > 700);
    }

    #[test]
    fn a_throttle_is_no_faster_than_its_link_and_ends() {
        let mut paths = two(Link { rate: Some(8_000_000), ..link() });
        let mut after = |rate: Option<u64>| {
            paths.way(0, 1).unwrap().throttle(rate);
            paths.send(0, 1, 1000, 1_000_000, &mut || 0.5)
        };
        assert_eq!(after(Some(80_000_000)), Fate::Arrives(1_011_000), "the link is slower");
        assert_eq!(after(Some(800_000)), Fate::Arrives(1_020_000));
        assert_eq!(after(None), Fate::Arrives(1_020_000), "order is kept: what was slow is still under way");
    }

    #[test]
    fn loss_is_as_often_as_asked() {
        let mut paths = two(Link { loss: 0.2, ..link() });
        let mut chance = Chance::new(1);
        let lost =
            (0..10_000).filter(|_| paths.send(0, 1, 100, 0, &mut || chance.draw()) == Fate::Vanishes).count();
        assert!((1_850..2_150).contains(&lost), "{lost}");
    }
}
