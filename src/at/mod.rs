//! The AT command language (ITU-T V.250).
