//! Names of features as pyradiomics writes them, `IMAGE_CLASS_NAME`: `original_shape_Sphericity`,
//! `wavelet-LLH_glcm_Idm`, `log-sigma-1-0-mm-3D_firstorder_Mean` (van Griethuysen et al., Cancer Res
//! 2017;77:e104; pyradiomics 1 to 3).

/// Feature classes.
const CLASSES: [&str; 8] =
    ["firstorder", "shape", "shape2D", "glcm", "glrlm", "glszm", "gldm", "ngtdm"];
/// What the columns begin with that say how features were made, as version 2 and version 1 call them.
const MADE: [&str; 2] = ["diagnostics_", "general_info_"];
/// Features that lie within 0 and 1 by their definition: sums of probabilities, squares of them or
/// quotients of one part by the whole (Zwanenburg et al., Radiology 2020;295:328).
const SHARES: [&str; 35] = [
    "firstorder_Uniformity",
    "shape_Elongation",
    "shape_Flatness",
    "shape_Sphericity",
    "shape2D_Elongation",
    "shape2D_Sphericity",
    "glcm_Id",
    "glcm_Idm",
    "glcm_Idmn",
    "glcm_Idn",
    "glcm_Imc2",
    "glcm_InverseVariance",
    "glcm_JointEnergy",
    "glcm_MCC",
    "glcm_MaximumProbability",
    "glrlm_GrayLevelNonUniformityNormalized",
    "glrlm_LowGrayLevelRunEmphasis",
    "glrlm_RunLengthNonUniformityNormalized",
    "glrlm_RunPercentage",
    "glrlm_ShortRunEmphasis",
    "glrlm_ShortRunLowGrayLevelEmphasis",
    "glszm_GrayLevelNonUniformityNormalized",
    "glszm_LowGrayLevelZoneEmphasis",
    "glszm_SizeZoneNonUniformityNormalized",
    "glszm_SmallAreaEmphasis",
    "glszm_SmallAreaLowGrayLevelEmphasis",
    "glszm_ZonePercentage",
    "gldm_DependenceNonUniformityNormalized",
    "gldm_LowGrayLevelEmphasis",
    "gldm_SmallDependenceEmphasis",
    "gldm_SmallDependenceLowGrayLevelEmphasis",
    // Of version 1, under the names of that time.
    "glcm_Energy",
    "glcm_Homogeneity1",
    "glcm_Homogeneity2",
    "glszm_LowIntensityEmphasis",
];
/// Features that lie within -1 and 1.
const CORRELATIONS: [&str; 2] = ["glcm_Correlation", "glcm_Imc1"];

/// A feature's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The image as it is, or a filtered one.
    pub(super) image: &'a str,
    /// Class and feature: `glcm_Idm`.
    own: &'a str,
}

impl<'a> Name<'a> {
    /// Of a column's header, if it is that of a feature.
    pub(super) fn of(header: &'a str) -> Option<Self> {
        let mut parts = header.rsplitn(3, '_');
        let (feature, class, image) = (parts.next()?, parts.next()?, parts.next()?);
        let own = header.get(image.len() + 1..)?;
        let known = CLASSES.contains(&class) && !feature.is_empty() && !image.is_empty();
        known.then_some(Self { image, own })
    }

    /// The range that the feature has by its definition, whatever the image.
    pub(super) fn range(self) -> Option<(f64, f64)> {
        if SHARES.contains(&self.own) {
            Some((0.0, 1.0))
        } else {
            CORRELATIONS.contains(&self.own).then_some((-1.0, 1.0))
        }
    }
}

/// Whether a column says how features were made, or of which image, and is none itself.
pub(super) fn tells_of_making(header: &str) -> bool {
    MADE.iter().any(|start| header.starts_with(start))
}

/// Whether a name is as a pattern says, in which `*` stands for any letters.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_told_from_what_says_how_they_were_made() {
        for (header, image, own) in [
            ("original_shape_Sphericity", "original", "shape_Sphericity"),
            ("wavelet-LLH_glcm_Idm", "wavelet-LLH", "glcm_Idm"),
            ("log-sigma-1-0-mm-3D_ngtdm_Busyness", "log-sigma-1-0-mm-3D", "ngtdm_Busyness"),
            ("lbp-3D-m1_gldm_Own", "lbp-3D-m1", "gldm_Own"),
        ] {
            assert_eq!(Name::of(header), Some(Name { image, own }), "{header}");
            assert!(!tells_of_making(header));
        }
        for header in [
            "diagnostics_Image-original_Mean",
            "diagnostics_Versions_PyRadiomics",
            "general_info_VoxelNum",
            "Image",
            "",
            "shape_Sphericity",
            "_shape_Sphericity",
            "original_shape_",
            "a_b_c",
        ] {
            assert_eq!(Name::of(header), None, "{header}");
        }
        assert!(tells_of_making("diagnostics_Mask-original_Hash"));
        assert!(tells_of_making("general_info_Version"));
    }

    #[test]
    fn a_pattern_takes_what_it_says() {
        for (pattern, name, fit) in [
            ("original_*", "original_shape_Flatness", true),
            ("original_*", "wavelet-L_original_x", false),
            ("*_shape_*", "original_shape_Flatness", true),
            ("*_shape_*", "original_shape2D_Flatness", false),
            ("*Mean", "original_firstorder_Mean", true),
            ("*Mean", "original_firstorder_MeanAbsoluteDeviation", false),
            ("a*b*b", "ab", false),
            ("a*b*b", "abb", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "ab", false),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn a_range_by_definition_holds_for_any_image() {
        let of = |header: &str| Name::of(header).and_then(Name::range);
        assert_eq!(of("original_glcm_Idm"), Some((0.0, 1.0)));
        assert_eq!(of("wavelet-HHH_glcm_Correlation"), Some((-1.0, 1.0)));
        assert_eq!(of("original_firstorder_Mean"), None);
    }
}
