//! Sets of images from files, good and bad.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use super::*;

fn set(channels: usize) -> ImageSet {
    let shape = ImageShape { channels, height: 2, width: 5 };
    let pixels: Vec<u8> = (0..4 * shape.dim()).map(|k| (k % 17) as u8).collect();
    ImageSet { path: PathBuf::new(), shape, depth: 5, white: 16, pixels, labels: Some(vec![7, -1, 7, 2]), weights: None }
}

fn error(outcome: Result<ImageSet>) -> String {
    outcome.unwrap_err().to_string()
}

#[test]
fn arrays_come_back() {
    let folder = tempdir().unwrap();
    for channels in [1, 3] {
        let set = set(channels);
        for name in ["set.npy", "set.npz"] {
            let path = folder.path().join(name);
            set.write(&path).unwrap();
            let read = ImageSet::read(&path, None).unwrap();
            assert_eq!(read, ImageSet { path: path.clone(), labels: None, ..set.clone() });
            if name == "set.npz" {
                let read = read.with_labels(LABELS_KEY).unwrap();
                assert_eq!((read.classes(), read.labels.unwrap()), (vec![-1, 2, 7], vec![7, -1, 7, 2]));
            }
            assert!(is_image_set(&path));
        }
    }
}

#[test]
fn channels_may_come_last() {
    assert_eq!(arrays::channels_first(&[1, 2, 3, 4, 5, 6], 3), [1, 4, 2, 5, 3, 6]);
}

/// A .npy file of bytes, of this type and shape.
fn npy(folder: &TempDir, descr: &str, shape: &[usize], bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("array.npy");
    let mut file = Vec::new();
    table::npy::write_header(&mut file, descr, shape).unwrap();
    file.extend(bytes);
    std::fs::write(&path, file).unwrap();
    path
}

#[test]
fn arrays_that_are_no_images_say_why() {
    let folder = tempdir().unwrap();
    let cases: [(&str, &[usize], &[u8], &str); 6] = [
        ("|u1", &[6], &[0; 6], "expected images of three or four dimensions, found an array of 1"),
        ("<f4", &[1, 1, 1], &[0; 4], "expected integers from 0 to 255, found floats"),
        ("<i2", &[1, 1, 2], &[1, 0, 0, 1], "expected integers from 0 to 255, found 256"),
        ("<i2", &[1, 1, 1], &[255, 255], "expected integers from 0 to 255, found -1"),
        ("|u1", &[0, 2, 2], &[], "expected one image or more, and none of them empty, found 0 × 2 × 2"),
        ("|u1", &[9, 2, 2], &[0; 8], "expected 9 × 2 × 2 values of 1 bytes, found 8 bytes"),
    ];
    for (descr, shape, bytes, expected) in cases {
        let found = error(ImageSet::read(&npy(&folder, descr, shape, bytes), None));
        assert!(found.contains("array.npy") && found.contains(expected), "{found}");
    }
    let path = folder.path().join("set.npz");
    set(1).write(&path).unwrap();
    assert!(error(ImageSet::read(&path, Some("x_train"))).contains("expected an array 'x_train', found 'images' and 'labels'"));
    let read = ImageSet::read(&path, None).unwrap();
    assert!(error(read.clone().with_labels("images")).contains("in one dimension, found an array of 3 dimensions"));
    let three = npy(&folder, "<i4", &[3], &[0; 12]);
    assert!(error(read.clone().with_labels(three.to_str().unwrap())).contains("expected 4 labels, one per image, found 3"));
    // The claimed number of labels is compared before they are read: here 10⁹ in a sparse file.
    let many = npy(&folder, "<i8", &[1_000_000_000], &[]);
    std::fs::OpenOptions::new().write(true).open(&many).unwrap().set_len(8_000_000_128).unwrap();
    assert!(error(read.clone().with_labels(many.to_str().unwrap())).contains("expected 4 labels, one per image, found 1000000000"));
    assert!(error(read.with_weights(many.to_str().unwrap())).contains("expected 4 weights, one per image, found 1000000000"));
}

/// The header of a PNG claims more pixels than a picture may have, and nothing is decoded.
#[test]
fn pictures_of_too_many_numbers_are_refused() {
    let folder = tempdir().unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let header = [&4097u32.to_be_bytes()[..], &4096u32.to_be_bytes(), &[8, 0, 0, 0, 0]].concat();
    for (kind, content) in [(b"IHDR", header), (b"IDAT", vec![0x78, 1]), (b"IEND", vec![])] {
        part(&mut png, kind, &content);
    }
    let path = folder.path().join("large.png");
    std::fs::write(&path, png).unwrap();
    let expected = "large.png: expected at most 16777216 numbers per picture, found 4096 × 4097 pixels of one channel";
    for found in [error(ImageSet::read(folder.path(), None)), error(ImageSet::read_picture(&path, 1, 255))] {
        assert!(found.contains(expected), "{found}");
    }
}

/// Appends a chunk of a PNG file.
fn part(png: &mut Vec<u8>, kind: &[u8; 4], content: &[u8]) {
    png.extend((content.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend(kind);
    png.extend(content);
    png.extend(crc32fast::hash(&png[start..]).to_be_bytes());
}

fn save(folder: &TempDir, name: &str, picture: image::DynamicImage) {
    picture.save(folder.path().join(name)).unwrap();
}

#[test]
fn a_folder_is_read_in_order_and_in_eight_bits() {
    let folder = tempdir().unwrap();
    save(&folder, "b.png", image::GrayImage::from_raw(2, 1, vec![10, 20]).unwrap().into());
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(2, 1, vec![0u16, 65_535]).unwrap();
    save(&folder, "a.PNG", image::DynamicImage::ImageLuma16(deep));
    std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
    let read = ImageSet::read(folder.path(), None).unwrap();
    assert_eq!((read.shape.channels, read.pixels.as_slice()), (1, &[0, 255, 10, 20][..]));
    assert_eq!((read.depth, read.white), (8, 255));
    save(&folder, "c.png", image::RgbaImage::from_raw(2, 1, vec![1, 2, 3, 4, 5, 6, 7, 8]).unwrap().into());
    let read = ImageSet::read(folder.path(), None).unwrap();
    assert_eq!(read.shape.channels, 3);
    assert_eq!(read.pixels, [[0, 255, 0, 255, 0, 255], [10, 20, 10, 20, 10, 20], [1, 5, 2, 6, 3, 7]].concat());
}

/// The smallest picture of a palette: a pixel each of red and blue.
#[test]
fn palettes_become_colours() {
    let folder = tempdir().unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let data = [&[0x78u8, 1, 1, 3, 0, 0xfc, 0xff, 0, 0, 1][..], &[0, 4, 0, 2]].concat();
    let header = [&[0u8, 0, 0, 2, 0, 0, 0, 1, 8, 3, 0, 0, 0][..]].concat();
    for (kind, content) in [(b"IHDR", header), (b"PLTE", vec![255, 0, 0, 0, 0, 255]), (b"IDAT", data), (b"IEND", vec![])] {
        part(&mut png, kind, &content);
    }
    std::fs::write(folder.path().join("palette.png"), png).unwrap();
    assert_eq!(ImageSet::read(folder.path(), None).unwrap().pixels, [255, 0, 0, 0, 0, 255]);
}

#[test]
fn jpeg_pictures_are_read_to_what_they_keep() {
    let folder = tempdir().unwrap();
    // Two tones in blocks of 8: all that the format rounds is each block's mean.
    let picture = image::RgbImage::from_fn(16, 8, |x, _| image::Rgb(if x < 8 { [200; 3] } else { [40; 3] }));
    save(&folder, "a.jpg", picture.into());
    save(&folder, "b.JPEG", image::GrayImage::from_pixel(16, 8, image::Luma([90])).into());
    let read = ImageSet::read(folder.path(), None).unwrap();
    assert_eq!((read.len(), read.shape), (2, ImageShape { channels: 3, height: 8, width: 16 }));
    let near = |pixels: &[u8], level: u8| pixels.iter().all(|v| v.abs_diff(level) <= 3);
    let (a, b) = read.pixels.split_at(read.shape.dim());
    assert!(a.chunks(16).all(|row| near(&row[..8], 200) && near(&row[8..], 40)) && near(b, 90), "{a:?} {b:?}");
    let one = ImageSet::read_picture(&folder.path().join("b.JPEG"), 1, 16).unwrap();
    assert_eq!((one.shape.channels, one.depth, one.white), (1, 5, 16));
    assert!(near(&one.pixels, 6), "{:?}", one.pixels);
    assert!(error(ImageSet::read_picture(&folder.path().join("a.jpg"), 2, 16)).contains("expected 2 channels, found a picture"));
}

#[test]
fn the_nearest_image_is_the_first_of_the_least_distance() {
    let own = set(1);
    let mut of = own.pick(&[3, 0]);
    of.pixels[0] ^= 1;
    assert_eq!(own.nearest(&of).unwrap(), [3, 0]);
    assert_eq!(own.pick(&[1, 1]).nearest(&of).unwrap(), [0, 0]);
    let pairs = own.interleaved(&own).unwrap();
    assert_eq!((pairs.len(), pairs.pick(&[2, 3]).pixels), (8, own.pick(&[1, 1]).pixels));
    assert!(own.nearest(&set(3)).is_err() && own.interleaved(&own.pick(&[0])).is_err());
}

#[test]
fn folders_that_cannot_be_read_say_why() {
    let folder = tempdir().unwrap();
    assert!(error(ImageSet::read(folder.path(), None)).contains("expected pictures, files that end in .png, .jpg or .jpeg, found none"));
    save(&folder, "a.png", image::GrayImage::new(4, 4).into());
    save(&folder, "b.png", image::GrayImage::new(4, 6).into());
    let found = error(ImageSet::read(folder.path(), None));
    assert!(found.contains("b.png: expected 4 × 4 pixels (height × width)") && found.ends_with("found 6 × 4"), "{found}");
    let whole = std::fs::read(folder.path().join("a.png")).unwrap();
    std::fs::write(folder.path().join("b.png"), &whole[..whole.len() / 2]).unwrap();
    let found = error(ImageSet::read(folder.path(), None));
    assert!(found.contains("b.png: expected a whole PNG or JPEG picture, found one that cannot be read"), "{found}");
}

proptest! {
    /// Whatever bytes a file holds, reading it is an answer or an error.
    #[test]
    fn any_bytes_are_an_answer_or_an_error(at in 0usize..700, with in prop::collection::vec(any::<u8>(), 1..8), cut in 0usize..2000) {
        let folder = tempdir().unwrap();
        let path = folder.path().join("set.npz");
        set(3).write(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes.splice(at..(at + with.len()).min(bytes.len()), with);
        bytes.truncate(if cut < 1000 { cut } else { bytes.len() });
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(read) = ImageSet::read(&path, None) {
            prop_assert_eq!(read.len() * read.shape.dim(), read.pixels.len());
        }
        let _ = set(3).with_labels(path.to_str().unwrap());
    }
}
