//! What a run looks like: one HTML file without external parts, and a summary for the terminal. Draws what the verdict
//! says; decides nothing.
