//! Explores the model of the deletion protocol by hand: `model [--full | --mutants] [NAME …]`. Without names: all. A violation is told step by step.

use std::time::Instant;

use packvault_sim::model::{Config, Model, configurations, explore, larger, mutants};

/// States that fit into some 12 GB.
const MOST: usize = 60_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (flags, names): (Vec<String>, Vec<String>) = words.into_iter().partition(|word| word.starts_with("--"));
    let flag = |name: &str| flags.iter().any(|word| word == name);
    let good = if flag("--mutants") {
        leave_out(&names)
    } else {
        search(if flag("--full") { larger() } else { configurations() }, &names)
    };
    std::process::exit(i32::from(!good));
}

fn is_chosen(name: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|chosen| chosen == name)
}

/// Whether no configuration reaches anything bad.
fn search(configs: Vec<Config>, names: &[String]) -> bool {
    let mut good = true;
    for config in configs.into_iter().filter(|config| is_chosen(config.name, names)) {
        let (begin, name) = (Instant::now(), config.name);
        match explore(&Model::new(config), MOST) {
            Ok(found) => println!(
                "{name:16} {:>10} states, {:>3} deep, {:>8} last, {:6.1} s: none bad",
                found.states,
                found.depth,
                found.last,
                begin.elapsed().as_secs_f64()
            ),
            Err(violation) => {
                good = false;
                println!("{name:16} VIOLATION after {} states\n{violation}", violation.states);
            }
        }
    }
    good
}

/// Whether every rule that is left out is missed.
fn leave_out(names: &[String]) -> bool {
    let (mut good, configs) = (true, configurations());
    for (mutant, name) in mutants().into_iter().filter(|(mutant, _)| is_chosen(&format!("{mutant:?}"), names)) {
        let Some(config) = configs.iter().find(|config| config.name == name) else { continue };
        let (begin, word) = (Instant::now(), format!("{mutant:?}"));
        match explore(&Model::without(config.clone(), mutant), MOST) {
            Ok(found) => {
                good = false;
                println!("{word:24} {name:16} SURVIVES {} states", found.states);
            }
            Err(violation) => {
                let (steps, seconds) = (violation.trace.len(), begin.elapsed().as_secs_f64());
                println!("{word:24} {name:16} {steps:>3} steps, {seconds:6.1} s: {}", violation.what);
                if !names.is_empty() {
                    println!("{violation}");
                }
            }
        }
    }
    good
}
