//! `tram`: the everyday command of people who send, receive and look after documents.
//!
//! Reads the environment and the arguments; everything else is in `node::tram`. Answers go to standard
//! output, everything else to standard error. Exit codes: 0 yes, 1 no, 2 usage, 3 unreachable, 4 denied.

use std::io::Write;
use std::process::ExitCode;

use node::tram::{Environment, run};

#[allow(
    clippy::disallowed_methods,
    reason = "this is main: the environment is read here, once"
)]
fn environment() -> Environment {
    let text = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Environment {
        config_home: text("XDG_CONFIG_HOME"),
        home: text("HOME"),
        key: text("TRAM_KEY"),
        locale: text("LC_ALL")
            .or_else(|| text("LC_MESSAGES"))
            .or_else(|| text("LANG")),
        url: text("TRAM_URL"),
    }
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            // Nothing else can be said without a runtime, and a closed standard error is no reason.
            let _said = writeln!(std::io::stderr(), "tram: {error}");
            return ExitCode::from(1);
        }
    };
    let arguments: Vec<_> = std::env::args_os().collect();
    let mut out = std::io::stdout().lock();
    let mut err = std::io::stderr().lock();
    let code = runtime.block_on(run(arguments, environment(), &mut out, &mut err));
    ExitCode::from(code)
}
