"""From a plane's image to the patches that a network takes."""
