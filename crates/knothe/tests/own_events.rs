//! A kind of event of a user's own: words of a fixed length over two letters, in one [`Coding`] and an existing family.

use std::path::Path;

use knothe::{
    Error, Exactness, Model, Placement, Precision, Result,
    events::{Coding, Events, Rows},
    families::MadeBinary,
    fit::FitConfig,
    model::{Fitting, Scoring, Split, Weighting},
    space::{Law, Shape, Space},
};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
struct Words(Vec<String>);

impl Events for Words {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn pick(&self, positions: &[usize]) -> Self {
        Words(positions.iter().map(|&i| self.0[i].clone()).collect())
    }
}

/// A word is a row of codes: 0 for the first letter of the alphabet and 1 for the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Spelling {
    alphabet: [char; 2],
    length: usize,
}

impl Coding for Spelling {
    type Events = Words;

    const KIND: &'static str = "words";

    fn space(&self) -> Space {
        Space::new(Shape::Columns(self.length), Law::Codes(2))
    }

    fn encode(&self, words: &Words) -> Result<Rows> {
        let code = |letter: char| self.alphabet.iter().position(|&own| own == letter).map(|code| code as f64);
        let spell = |word: &String| {
            let codes: Option<Vec<f64>> = word.chars().map(code).collect();
            codes.filter(|codes| codes.len() == self.length).ok_or_else(|| Error::Invalid {
                what: "a word".into(),
                expected: format!("{} letters of {:?}", self.length, self.alphabet),
                found: word.clone(),
            })
        };
        Ok(Rows::new(words.0.iter().map(spell).collect::<Result<Vec<_>>>()?.concat(), self.length))
    }

    fn decode(&self, values: Vec<f64>, _: Vec<f64>) -> Result<Words> {
        let word = |codes: &[f64]| codes.iter().map(|&code| self.alphabet[usize::from(code == 1.0)]).collect();
        Ok(Words(values.chunks(self.length).map(word).collect()))
    }
}

/// Words of five letters: n starts anywhere, and each letter is another than the one before it, but in one word of ten.
fn corpus() -> Words {
    let word = |i: usize| {
        let other = |k: usize| if (i + k).is_multiple_of(2) { 'a' } else { 'b' };
        if i.is_multiple_of(10) { "aaaaa".into() } else { (0..5).map(other).collect() }
    };
    Words((0..1_000).map(word).collect())
}

#[test]
fn words_are_fitted_scored_sampled_and_saved() {
    let coding = Spelling { alphabet: ['a', 'b'], length: 5 };
    let split = Split::random(Path::new("words"), &corpus(), 0).unwrap();
    let recipes = [MadeBinary::new(coding.space()).hidden([32])];
    let config = FitConfig { epochs: 100, batch: 64, learning_rate: 1e-2, ..FitConfig::default() };
    let (weighting, place) = (Weighting::Uniform, Placement::cpu(Precision::F64));
    let fitting = Fitting { split: &split, coding: &coding, recipes: &recipes, weighting, config: &config, place: &place };
    let model = fitting.run(None, None, &mut ()).unwrap().unwrap();
    assert_eq!((model.exactness(), model.record.gaussian), (Exactness::Exact, None));

    // The masses of all words sum to one, and the corpus has three words: P = 0.4, 0.5 and 0.1.
    let every = Words((0..32u32).map(|i| (0..5).map(|k| coding.alphabet[(i >> k & 1) as usize]).collect()).collect());
    let masses: Vec<f64> = model.log_prob(&every, Scoring::default()).unwrap().iter().map(|l| l.exp()).collect();
    assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{masses:?}");
    let mass = |word: &str| masses[every.0.iter().position(|w| w == word).unwrap()];
    for (word, expected) in [("ababa", 0.4), ("babab", 0.5), ("aaaaa", 0.1)] {
        assert!((mass(word) - expected).abs() < 0.05, "{word}: {}", mass(word));
    }
    let samples = model.sample(2_000, &[], 1).unwrap();
    let share = samples.0.iter().filter(|word| *word == "babab").count() as f64 / 2_000.0;
    // Five standard errors of a share of a half.
    assert!((share - mass("babab")).abs() < 5.0 * (0.25f64 / 2_000.0).sqrt(), "{share}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.safetensors");
    model.save(&path).unwrap();
    let read = Model::<Spelling>::load(&path, "cpu").unwrap();
    assert_eq!(read.coding, coding);
    assert_eq!(read.log_prob(&every, Scoring::default()).unwrap(), model.log_prob(&every, Scoring::default()).unwrap());
    assert_eq!(read.sample(2_000, &[], 1).unwrap(), samples);
    assert!(read.log_prob(&Words(vec!["abc".into()]), Scoring::default()).unwrap_err().to_string().contains("5 letters"));
}
