"""Images: Market-1501 and data in its layout, the embedded mini-market, and pixels as the network sees them."""
