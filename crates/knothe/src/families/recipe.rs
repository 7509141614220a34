//! A family and its options: everything that decides the shapes and the start of a model's parameters.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Family, FamilyOption, Range, Setting, find, mixed};
use crate::{
    error::{Error, Result},
    file,
    network::{ImageFlow, Network, TabularFlow},
    parameters,
    placement::{Placement, Precision},
    random::{Purpose, stream},
    space::{MOST_NUMBERS, Space},
};

/// The kind of a file of one network.
const KIND: &str = "network";
/// The most numbers of a network.
const LARGEST: usize = 1 << 32;

/// A family, the space of its events, and its options. Two equal recipes build equal networks.
///
/// ```
/// use knothe::{Density, Placement, Precision, families::{Maf, Mixing}};
/// let recipe = Maf::new(3).context(1).layers(2).hidden([32, 32]).mixing(Mixing::Lu).seed(7);
/// let flow = recipe.build(&Placement::cpu(Precision::F64))?;
/// assert_eq!((flow.dim(), flow.context_dim()), (3, 1));
/// # Ok::<(), knothe::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Document", try_from = "Document")]
pub struct Recipe {
    family: &'static dyn Family,
    space: Space,
    context_dim: usize,
    seed: u64,
    settings: BTreeMap<String, Setting>,
}

/// A recipe as a model file has it, with every option.
#[derive(Serialize, Deserialize)]
struct Document {
    family: String,
    space: Space,
    context_dim: usize,
    seed: u64,
    options: BTreeMap<String, Setting>,
}

impl From<Recipe> for Document {
    fn from(recipe: Recipe) -> Self {
        let options = recipe.family.options().iter().map(|option| (option.name.to_owned(), recipe.get(option))).collect();
        Document { family: recipe.name().into(), space: recipe.space, context_dim: recipe.context_dim, seed: recipe.seed, options }
    }
}

impl TryFrom<Document> for Recipe {
    type Error = Error;

    fn try_from(document: Document) -> Result<Self> {
        let recipe = Recipe::new(find(&document.family, &document.space)?, document.space).context(document.context_dim);
        let mut recipe = Recipe { settings: document.options, ..recipe.seed(document.seed) };
        // A file that lacks a flag is older than the flag, and its network was built without it.
        for option in recipe.family.options().iter().filter(|option| option.range == Range::Flag) {
            recipe.settings.entry(option.name.into()).or_insert(Setting::Flag(false));
        }
        recipe.check()?;
        Ok(recipe)
    }
}

impl PartialEq for Recipe {
    fn eq(&self, other: &Self) -> bool {
        let all = |r: &Recipe| r.family.options().iter().map(|option| (option.name, r.get(option))).collect::<Vec<_>>();
        (self.name(), &self.space, self.context_dim, self.seed) == (other.name(), &other.space, other.context_dim, other.seed)
            && all(self) == all(other)
    }
}

impl Recipe {
    /// A family for events of a space, such as a number of columns or an [`ImageShape`](crate::space::ImageShape), with its default options.
    pub fn new(family: &'static dyn Family, space: impl Into<Space>) -> Self {
        Recipe { family, space: space.into(), context_dim: 0, seed: 0, settings: BTreeMap::new() }
    }

    /// Sets the number of context columns.
    pub fn context(self, context_dim: usize) -> Self {
        Recipe { context_dim, ..self }
    }

    /// Sets the seed of the parameters' start.
    pub fn seed(self, seed: u64) -> Self {
        Recipe { seed, ..self }
    }

    /// Sets an option by name. [`Recipe::check`], which [`Recipe::build`] calls, refuses what the family does not have.
    pub fn set(mut self, name: &str, value: impl Into<Setting>) -> Self {
        self.settings.insert(name.into(), value.into());
        self
    }

    /// The options that are set, by their names.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &Setting)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The family.
    pub fn family(&self) -> &'static dyn Family {
        self.family
    }

    /// The name of the family.
    pub fn name(&self) -> &'static str {
        self.family.name()
    }

    /// The space of the events.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The number of elements of an event.
    pub fn dim(&self) -> usize {
        self.space.dim()
    }

    /// The number of context columns.
    pub fn context_dim(&self) -> usize {
        self.context_dim
    }

    /// The seed of the parameters' start.
    pub fn start_seed(&self) -> u64 {
        self.seed
    }

    /// The value of an option: as it is set, else the family's default, else that of `option` itself.
    pub fn get(&self, option: &FamilyOption) -> Setting {
        let own = || self.family.option(option.name).unwrap_or(*option).default_in(self);
        self.settings.get(option.name).cloned().unwrap_or_else(own)
    }

    /// A flag.
    pub fn flag(&self, option: &FamilyOption) -> bool {
        self.get(option) == Setting::Flag(true)
    }

    /// A whole number; 0 where the option is none.
    pub fn count(&self, option: &FamilyOption) -> usize {
        match self.get(option) {
            Setting::Count(value) => usize::try_from(value).unwrap_or(usize::MAX),
            _ => 0,
        }
    }

    /// A real number; NaN where the option is none.
    pub fn number(&self, option: &FamilyOption) -> f64 {
        match self.get(option) {
            Setting::Number(value) => value,
            _ => f64::NAN,
        }
    }

    /// Whole numbers; none where the option is something else.
    pub fn counts(&self, option: &FamilyOption) -> Vec<usize> {
        match self.get(option) {
            Setting::Counts(values) => values.into_iter().map(|v| usize::try_from(v).unwrap_or(usize::MAX)).collect(),
            _ => Vec::new(),
        }
    }

    /// A variant of an enumeration by its name.
    pub fn choice<T: DeserializeOwned + Default>(&self, option: &FamilyOption) -> T {
        match self.get(option) {
            Setting::Name(name) => serde_json::from_value(name.into()).unwrap_or_default(),
            _ => T::default(),
        }
    }

    /// Checks that the family supports the space, has every option that is set, and that each is in its range. The size of the network is checked when it is built.
    ///
    /// # Errors
    /// [`Error::Invalid`], with what would be accepted, and those of [`Space::check`].
    pub fn check(&self) -> Result<()> {
        let (name, options) = (self.name(), self.family.options());
        for (key, value) in &self.settings {
            let Some(option) = options.iter().find(|option| option.name == key) else {
                let known = options.iter().map(|option| option.name).collect::<Vec<_>>().join(", ");
                return Err(Error::invalid(format!("options of {name}"), known, key));
            };
            if !option.range.holds(value) {
                return Err(Error::invalid(format!("{key} of {name}"), option.range, value));
            }
        }
        if !self.family.supports(&self.space) {
            return Err(Error::invalid(format!("events of {name}"), self.family.spaces(), format!("{:?}", self.space)));
        }
        let range = |what: &str, value: usize, lowest: usize, highest: usize| {
            let fits = (lowest..=highest).contains(&value);
            if fits { Ok(()) } else { Err(Error::invalid(what, format!("{lowest} to {highest}"), value)) }
        };
        range("numbers of an event", self.dim(), 1, MOST_NUMBERS)?;
        range("context columns", self.context_dim, 0, 65_536)?;
        self.space.check()?;
        if !mixed::has_codes(self) {
            return self.family.check(self);
        }
        // What the flow of the reals needs, it needs of the reals alone.
        mixed::of_reals(self).map(|_| ())
    }

    /// How many parameters the network has; they take no memory.
    ///
    /// # Errors
    /// As [`Recipe::build`].
    pub fn size(&self) -> Result<usize> {
        Ok(parameters::count(&self.build(&Placement::outline(Precision::F32, LARGEST))?))
    }

    /// Builds the network with its parameters at their start.
    ///
    /// # Errors
    /// As [`Recipe::check`], and [`Error::Invalid`] for a network of more than 2³² numbers, or more than an [outline](Placement::outline) has room for.
    pub fn build(&self, place: &Placement) -> Result<Network> {
        if place.is_outline() {
            self.check()?;
        } else {
            // Its outline is checked.
            self.size()?;
        }
        let mut rng = stream(self.seed, Purpose::Start, 0);
        let network = if mixed::has_codes(self) { mixed::build(self, place, &mut rng) } else { self.family.build(self, place, &mut rng) }?;
        place.count(0)?;
        Ok(network)
    }

    /// Builds the network of a family whose networks are flows over real numbers.
    ///
    /// # Errors
    /// As [`Recipe::check`], and [`Error::Unsupported`] for another family.
    pub fn flow(&self, place: &Placement) -> Result<TabularFlow> {
        match self.build(place)? {
            Network::Flow(flow) => Ok(flow),
            _ => Err(self.is_no("flow over real numbers")),
        }
    }

    /// Builds the network of a family whose networks are dequantised flows.
    ///
    /// # Errors
    /// As [`Recipe::check`], and [`Error::Unsupported`] for another family.
    pub fn dequantised(&self, place: &Placement) -> Result<ImageFlow> {
        match self.build(place)? {
            Network::Dequantised(flow) => Ok(flow),
            _ => Err(self.is_no("dequantised flow")),
        }
    }

    /// Writes a network of this recipe, with the recipe, to one safetensors file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub fn save(&self, network: &impl Module, path: impl AsRef<Path>) -> Result<()> {
        file::write(path.as_ref(), &serde_json::json!({ "kind": KIND, "recipe": self }), &parameters::collect(network))
    }

    /// Reads a file of [`Recipe::save`]: the recipe, and the network with its parameters, for evaluation.
    ///
    /// ```
    /// use knothe::{Density, Given, Placement, Precision, families::{Maf, Recipe}, values};
    /// let (cpu, file) = (Placement::cpu(Precision::F64), tempfile::NamedTempFile::new()?);
    /// let recipe = Maf::new(2).layers(2).hidden([8]);
    /// let flow = recipe.build(&cpu)?;
    /// recipe.save(&flow, file.path())?;
    /// let (read, again) = Recipe::load(file.path(), &cpu)?;
    /// let x = cpu.zeros([3, 2]);
    /// assert_eq!(values(again.log_prob(x.clone(), &Given::default())?), values(flow.log_prob(x, &Given::default())?));
    /// assert_eq!(read, recipe);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::ModelFile`] where the file is damaged, or holds something else; [`Error::Shape`] where it has another precision.
    pub fn load(path: impl AsRef<Path>, place: &Placement) -> Result<(Self, Network)> {
        let path = path.as_ref();
        let (mut content, tensors) = file::read(path)?;
        if content["kind"] != KIND {
            return Err(Error::model_file(path, format!("expected a network, found kind {}", content["kind"]), None));
        }
        let recipe: Recipe = file::part(path, &mut content, "recipe", "recipe")?;
        let network = file::restore(path, tensors, place, |place| recipe.build(place))?;
        Ok((recipe, network))
    }

    fn is_no(&self, kind: &str) -> Error {
        Error::Unsupported { what: format!("the family {}", self.name()), reason: format!("its networks are not {kind}"), hint: None }
    }
}
