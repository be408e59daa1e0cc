//! What the library does in the server's hooks, in every process that has loaded it.
//!
//! | hook | file | what for |
//! |---|---|---|
//! | ProcessUtility, ends of transactions | `dismiss` | warm workers that a statement would find in its way, or that are outdated after it |

mod dismiss;

/// Installs the hooks. Once, when the library is loaded.
pub fn install() {
    dismiss::install();
}
