//! What others keep with a graph because no run changes it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// One value of each type that was asked for. It is not a part of what the graph is: a copy starts without, and all are equal.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<Arc<dyn Any + Send + Sync>>>);

impl Kept {
    /// The value of this type; its default at first.
    pub(super) fn get<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        // A value is whole or not there: whoever panicked left nothing half done.
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all.iter().find_map(|kept| Arc::clone(kept).downcast().ok()) {
            return found;
        }
        let made = Arc::<T>::default();
        all.push(made.clone());
        made
    }
}

impl Clone for Kept {
    fn clone(&self) -> Kept {
        Kept::default()
    }
}

impl PartialEq for Kept {
    fn eq(&self, _: &Kept) -> bool {
        true
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_one_value() {
        let kept = Kept::default();
        *kept.get::<Mutex<u32>>().lock().unwrap() = 7;
        assert_eq!(*kept.get::<Mutex<u32>>().lock().unwrap(), 7);
        assert!(kept.get::<Mutex<String>>().lock().unwrap().is_empty());
        assert_eq!(*kept.clone().get::<Mutex<u32>>().lock().unwrap(), 0);
    }
}
