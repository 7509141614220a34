//! `knothe models` and `knothe completions`: what can be said without a model file.

use clap::CommandFactory;
use clap_complete::Shell;
use knothe::families::{ImageModel, Model};
use serde_json::{Value, json};

use crate::{
    cli::{Cli, ModelsArguments},
    failure::Failure,
    output::{print, print_json},
};

/// Lists the models.
pub fn run(arguments: &ModelsArguments) -> Result<(), Failure> {
    if arguments.json {
        let of_images = |m: ImageModel| json!({ "name": m.name(), "summary": m.summary(), "of": "images" });
        return print_json(&Value::Array([&Model::ALL.map(document)[..], &ImageModel::ALL.map(of_images)].concat()));
    }
    let line = |model: Model| {
        let (layers, hidden, components) = model.defaults();
        let hidden: Vec<String> = hidden.iter().map(usize::to_string).collect();
        let mut defaults = vec![format!("layers {layers}")];
        defaults.extend((!hidden.is_empty()).then(|| format!("hidden {}", hidden.join(","))));
        defaults.extend((components > 0).then(|| format!("components {components}")));
        let (triangular, form) = model.product();
        defaults.extend(model.leaves_product_open().then(|| format!("triangular {}, form {}", triangular.name(), form.name())));
        format!("{:<12} {}\n{:<12} {}\n", model.name(), model.summary(), "", defaults.join(", "))
    };
    let image = |model: ImageModel| format!("{:<12} {}\n", model.name(), model.summary());
    let images = ImageModel::ALL.map(image).concat();
    let note = "\nWhere triangular and form are named, --triangular autoregressive or coupling and --form density or generative are free choices.\n";
    print(&format!("{}{note}\nOf images:\n{images}", Model::ALL.map(line).concat()))
}

fn document(model: Model) -> Value {
    let (layers, hidden, components) = model.defaults();
    let mut defaults = json!({ "layers": layers, "hidden": hidden, "components": components });
    if model.leaves_product_open() {
        let (triangular, form) = model.product();
        (defaults["triangular"], defaults["form"]) = (triangular.name().into(), form.name().into());
    }
    json!({ "name": model.name(), "summary": model.summary(), "of": "tables", "defaults": defaults })
}

/// Prints the completion script of a shell.
pub fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "knothe", &mut script);
    print(&String::from_utf8_lossy(&script))
}
