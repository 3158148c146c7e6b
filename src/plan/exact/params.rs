//! What the search does, each technique with a switch.

use crate::error::{Error, ErrorKind, Result};

/// Defines the switches, all on, and their names.
macro_rules! switches {
    ($($(#[$meta:meta])* $name:ident,)*) => {
        /// The techniques of [`Planner::Exact`](crate::plan::Planner::Exact), to measure what each is worth.
        ///
        /// Without one of them plans are still plans and proofs are still proofs, but they may take longer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Params {
            $($(#[$meta])* pub $name: bool,)*
        }

        impl Default for Params {
            fn default() -> Params {
                Params { $($name: true,)* }
            }
        }

        impl Params {
            /// The names of all techniques.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];

            /// Leaves one technique out.
            ///
            /// # Errors
            ///
            /// If there is none of this name; the error lists the names.
            pub fn switch_off(&mut self, name: &str) -> Result<()> {
                match name {
                    $(stringify!($name) => self.$name = false,)*
                    _ => {
                        let message = format!("unknown technique \"{name}\"");
                        let help = format!("techniques: {}", Params::NAMES.join(", "));
                        return Err(Error::new(ErrorKind::Usage, message).help(help));
                    }
                }
                Ok(())
            }
        }
    };
}

switches! {
    /// Only steps with a largest set of live buffers count.
    sections,
    /// Buffers take the place of others, which are placed anew.
    ejection,
    /// Buffers whose sizes match are guessed to belong together.
    fusing,
    /// A search at the bound goes on beside the one below the best plan.
    two_searches,
    /// Searches are stopped early and start again with more placements.
    restarts,
    /// Each restart prefers other buffers.
    preferences,
    /// What fails gains weight, and is chosen earlier.
    weights,
    /// Buffers that touch the walls of their valley come first.
    contacts,
    /// The section with the fewest choices is next, and not the lowest one.
    fewest_choices,
    /// Every buffer rests on the bottom or on another one.
    pushing,
    /// Both sides of a step that no buffer crosses are solved separately.
    division,
    /// A buffer that spans its whole part goes on top of it.
    spanning,
    /// At each section, buffers must fit in the order of their lowest offsets.
    release_bound,
    /// Of equal buffers one is tried.
    equal_buffers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_switches_one_technique_off() {
        let mut seen = vec![Params::default()];
        for name in Params::NAMES {
            let mut params = Params::default();
            params.switch_off(name).unwrap();
            assert!(!seen.contains(&params), "{name}");
            seen.push(params);
        }
        let text = Params::default().switch_off("luck").unwrap_err().to_string();
        assert!(text.contains("unknown technique \"luck\"") && text.contains("release_bound"), "{text}");
    }
}
