//! What kernels keep for plugins from one tick to the next.
//!
//! A tick takes what is kept, and it comes back only with a tick that ended well and whose changes are
//! written. So what is kept is always the input as the plugin's last commit knew it; whatever goes wrong,
//! the worst is that the next tick brings every row again. The whole is bounded by `pool.kept-bytes-max`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use corral_kernels::Kept;

use super::load::Plugin;

/// Everything that is kept.
#[derive(Debug)]
pub(super) struct KeptKernels {
    bytes_max: usize,
    held: Mutex<HashMap<Key, Held>>,
}

/// Whose ticks they are: what one lane keeps, the other neither sees nor loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// Those that are written.
    Live,
    /// Those of a candidate, which are not.
    Shadow,
}

/// Whose input it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    lane: Lane,
    plugin: String,
    digest: String,
    kernel: &'static str,
    parameters: String,
}

/// What is kept of one kernel's input.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) state: Box<dyn Kept>,
    /// How the plugin named what it had brought.
    pub(super) version: String,
}

/// What a tick has taken.
#[derive(Debug)]
pub(super) struct Taken {
    from: Arc<KeptKernels>,
    lane: Lane,
    plugin: String,
    digest: String,
    held: HashMap<Key, Held>,
}

impl KeptKernels {
    /// Nothing yet, and never more than `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: Mutex::default() }
    }

    /// Forgets what a lane keeps for a plugin.
    pub(super) fn forget(&self, lane: Lane, plugin: &str) {
        let mut all = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, _| key.lane != lane || key.plugin != plugin);
    }

    /// Lets a tick of this plugin take what is its own.
    pub(super) fn open(self: &Arc<Self>, plugin: Option<&Plugin>, lane: Lane) -> Taken {
        let name = plugin.map_or("", |plugin| &plugin.description().name).to_owned();
        let digest = plugin.map_or("", Plugin::digest).to_owned();
        Taken { from: self.clone(), lane, plugin: name, digest, held: HashMap::new() }
    }
}

impl Taken {
    /// Whether anything is kept at all.
    pub(super) fn is_kept(&self) -> bool {
        self.from.bytes_max > 0
    }

    /// What is kept of a kernel with these parameters.
    pub(super) fn of(&mut self, kernel: &'static str, parameters: &str) -> Option<&Held> {
        let key = self.key(kernel, parameters);
        if !self.held.contains_key(&key) {
            let held =
                self.from.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&key)?;
            self.held.insert(key.clone(), held);
        }
        self.held.get(&key)
    }

    /// The same, to be changed.
    pub(super) fn take(&mut self, kernel: &'static str, parameters: &str) -> Option<Held> {
        self.of(kernel, parameters)?;
        self.held.remove(&self.key(kernel, parameters))
    }

    /// Puts what was changed in its place; false if it is too large to be kept.
    pub(super) fn put(&mut self, kernel: &'static str, parameters: &str, held: Held) -> bool {
        let others: usize = self.held.values().map(|held| held.state.bytes()).sum();
        let has_room = others.saturating_add(held.state.bytes()) <= self.from.bytes_max;
        if has_room {
            self.held.insert(self.key(kernel, parameters), held);
        }
        has_room
    }

    /// Gives everything back, as far as there is room.
    pub(super) fn give_back(self) {
        let mut all = self.from.held.lock().unwrap_or_else(PoisonError::into_inner);
        // An older version of the plugin does not come back for its own.
        all.retain(|key, _| {
            key.lane != self.lane || key.plugin != self.plugin || key.digest == self.digest
        });
        for (key, held) in self.held {
            let others: usize = all.values().map(|held| held.state.bytes()).sum();
            if others.saturating_add(held.state.bytes()) <= self.from.bytes_max {
                all.insert(key, held);
            } else {
                let (plugin, kernel) = (key.plugin, key.kernel);
                tracing::info!(plugin, kernel, "no room to keep a kernel's input");
            }
        }
    }

    fn key(&self, kernel: &'static str, parameters: &str) -> Key {
        let (plugin, digest) = (self.plugin.clone(), self.digest.clone());
        Key { lane: self.lane, plugin, digest, kernel, parameters: parameters.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corral_kernels::{Frame, Interner, Job, KernelError, Pace, Shape};

    #[derive(Debug)]
    struct Sized(usize);

    impl Kept for Sized {
        fn outputs(&self) -> &'static [Shape] {
            &[]
        }

        fn update(&mut self, _: &Job<'_>, _: &[u32]) -> Result<Vec<Frame>, KernelError> {
            Ok(Vec::new())
        }

        fn whole(&self, _: &[u32], _: &Interner, _: &Pace<'_>) -> Result<Vec<Frame>, KernelError> {
            Ok(Vec::new())
        }

        fn rows(&self) -> usize {
            0
        }

        fn bytes(&self) -> usize {
            self.0
        }
    }

    fn held(bytes: usize) -> Held {
        Held { state: Box::new(Sized(bytes)), version: bytes.to_string() }
    }

    fn version(kept: &Arc<KeptKernels>, kernel: &'static str) -> Option<String> {
        let mut taken = kept.open(None, Lane::Live);
        let version = taken.of(kernel, "").map(|held| held.version.clone());
        taken.give_back();
        version
    }

    #[test]
    fn what_a_tick_takes_comes_back_only_if_it_gives_it_back() {
        let kept = Arc::new(KeptKernels::new(100));
        let mut taken = kept.open(None, Lane::Live);
        assert!(taken.of("k", "").is_none() && taken.put("k", "", held(60)));
        assert!(taken.of("k", "more").is_none());
        taken.give_back();
        assert_eq!(version(&kept, "k").as_deref(), Some("60"));
        // One that only looks, and then fails.
        assert!(kept.open(None, Lane::Live).of("k", "").is_some());
        assert_eq!(version(&kept, "k"), None);
    }

    #[test]
    fn one_lane_neither_sees_nor_loses_what_the_other_keeps() {
        let kept = Arc::new(KeptKernels::new(100));
        let mut live = kept.open(None, Lane::Live);
        assert!(live.put("k", "", held(10)));
        live.give_back();
        let mut shadow = kept.open(None, Lane::Shadow);
        assert!(shadow.of("k", "").is_none() && shadow.put("k", "", held(20)));
        shadow.give_back();
        assert_eq!(version(&kept, "k").as_deref(), Some("10"));
        assert!(kept.open(None, Lane::Shadow).of("k", "").is_some());
        let mut shadow = kept.open(None, Lane::Shadow);
        assert!(shadow.put("k", "", held(30)));
        shadow.give_back();
        kept.forget(Lane::Shadow, "");
        assert!(kept.open(None, Lane::Shadow).of("k", "").is_none());
        assert_eq!(version(&kept, "k").as_deref(), Some("10"));
    }

    #[test]
    fn what_has_no_room_is_not_kept_and_pushes_nobody_out() {
        let kept = Arc::new(KeptKernels::new(100));
        let mut taken = kept.open(None, Lane::Live);
        assert!(!taken.put("large", "", held(101)));
        assert!(taken.put("k", "", held(100)));
        assert!(!taken.put("small", "", held(1)));
        taken.give_back();
        let mut other = kept.open(None, Lane::Live);
        assert!(other.put("small", "", held(1)));
        other.give_back();
        assert_eq!((version(&kept, "k").as_deref(), version(&kept, "small")), (Some("100"), None));
    }
}
