"""Methods on functional images: responses cleaned, smoothed, averaged in parcels."""
