//! A figure as PNG: no font, no setting and no file of the machine goes into it.

use std::sync::{Arc, OnceLock};

use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{ImageHrefResolver, Options, Tree};

/// Pixels of an image at most: what 256 MiB hold.
const MOST_PIXELS: f64 = 67_108_864.0;
/// Pixels of a side at most.
const MOST_SIDE: f64 = 20_000.0;

/// The fonts that figures are written in; where they come from stands in `data/fonts/README.md`.
const FONTS: [&[u8]; 2] = [
    include_bytes!("../../../data/fonts/DejaVuSansCondensed.subset.ttf"),
    include_bytes!("../../../data/fonts/DejaVuSansCondensed-Bold.subset.ttf"),
];

/// How large an image is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// Pixels a unit of the drawing, above 0.
    Scale(f64),
    /// Pixels of its width.
    Width(u32),
}

/// Draws an SVG file of a figure on white, as the bytes of a PNG file.
///
/// # Errors
/// In words: when it is no SVG, or the image would be too large.
pub fn png(svg: &str, size: Size) -> Result<Vec<u8>, String> {
    let tree = Tree::from_str(svg, &options()).map_err(|error| format!("no drawing: {error}"))?;
    let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
    let scale = match size {
        Size::Scale(scale) => scale,
        Size::Width(pixels) => f64::from(pixels) / width,
    };
    let (across, down) = ((width * scale).round().max(1.0), (height * scale).round().max(1.0));
    let fits = across <= MOST_SIDE && down <= MOST_SIDE && across * down <= MOST_PIXELS;
    if !(scale.is_finite() && fits) {
        return Err(format!(
            "an image of {across} by {down} pixels is too large: at most {MOST_SIDE} a side and \
             {MOST_PIXELS} in all; ask for a smaller scale or width"
        ));
    }
    let mut image = Pixmap::new(across as u32, down as u32).ok_or("no room for the image")?;
    image.fill(Color::WHITE);
    let fit = Transform::from_scale((across / width) as f32, (down / height) as f32);
    resvg::render(&tree, fit, &mut image.as_mut());
    image.encode_png().map_err(|error| format!("no PNG: {error}"))
}

/// How drawings are read: with our own fonts, and without anything from outside of them.
fn options() -> Options<'static> {
    let nothing = ImageHrefResolver {
        resolve_data: Box::new(|_, _, _| None),
        resolve_string: Box::new(|_, _| None),
    };
    Options {
        fontdb: fonts(),
        font_family: FAMILY.to_owned(),
        image_href_resolver: nothing,
        ..Options::default()
    }
}

/// What the fonts call themselves.
const FAMILY: &str = "DejaVu Sans";

/// Our fonts, under every generic name.
fn fonts() -> Arc<Database> {
    static FOUND: OnceLock<Arc<Database>> = OnceLock::new();
    let load = || {
        let mut fonts = Database::new();
        for font in FONTS {
            fonts.load_font_data(font.to_vec());
        }
        let family = fonts.faces().next().and_then(|face| face.families.first().cloned());
        let family = family.map_or_else(|| FAMILY.to_owned(), |(name, _)| name);
        fonts.set_serif_family(family.as_str());
        fonts.set_sans_serif_family(family.as_str());
        fonts.set_monospace_family(family.as_str());
        Arc::new(fonts)
    };
    Arc::clone(FOUND.get_or_init(load))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"40\" \
        viewBox=\"0 0 200 40\"><style>text{font-family:system-ui,sans-serif;fill:#000}\
        .strong{font-weight:700}</style><rect width=\"10\" height=\"10\" fill=\"#f00\"/>\
        <text x=\"20\" y=\"30\" font-size=\"20\">TEXT</text></svg>";

    /// Dark pixels of a part of an image.
    fn dark(image: &Pixmap, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> usize {
        let all = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        let is_dark = |(x, y): &(u32, u32)| image.pixel(*x, *y).is_some_and(|p| p.green() < 96);
        all.filter(is_dark).count()
    }

    fn decoded(text: &str, size: Size) -> Pixmap {
        Pixmap::decode_png(&png(text, size).unwrap()).unwrap()
    }

    #[test]
    fn shapes_and_letters_are_on_the_image() {
        let image = decoded(SVG, Size::Scale(2.0));
        assert_eq!((image.width(), image.height()), (400, 80));
        assert_eq!(image.pixel(5, 5).map(|p| (p.red(), p.green(), p.alpha())), Some((255, 0, 255)));
        assert_eq!(dark(&image, 200..400, 0..80), 0, "nothing is drawn there");
        assert!(dark(&image, 36..160, 20..64) > 300, "no letters");
        assert_eq!(decoded(SVG, Size::Width(100)).height(), 20);
    }

    #[test]
    fn letters_of_a_label_are_drawn_and_heavy_ones_are_heavier() {
        let bold = SVG.replace("<text ", "<text class=\"strong\" ");
        let ink = |text: &str| dark(&decoded(text, Size::Scale(4.0)), 72..400, 0..160);
        assert!(ink(&bold) as f64 > 1.1 * ink(SVG) as f64, "{} {}", ink(&bold), ink(SVG));
        // A letter that the font lacks is a box, and these are not: each has another shape.
        let of = |text: &str| png(&SVG.replace("TEXT", text), Size::Scale(2.0)).unwrap();
        let letters = ["−", "–", "≥", "λ", "χ", "²", "⁻", "→", "…", "ß", "Ж", "×", "∞"];
        for letter in letters {
            assert_ne!(of(letter), of("\u{4e00}"), "{letter}");
        }
    }

    #[test]
    fn the_same_drawing_gives_the_same_bytes() {
        assert_eq!(png(SVG, Size::Scale(1.5)), png(SVG, Size::Scale(1.5)));
    }

    #[test]
    fn too_large_an_image_and_no_drawing_are_refused() {
        for size in [Size::Scale(1e9), Size::Scale(f64::NAN), Size::Width(u32::MAX)] {
            assert!(png(SVG, size).unwrap_err().contains("too large"), "{size:?}");
        }
        assert!(png("<p>", Size::Scale(1.0)).is_err());
    }
}
