"""Short pages in many languages, and the encodings people keep such pages in."""

PAGES = {
    "Finnish": "Isoisä istui keittiön pöydän ääressä ja luki lehteä.",
    "Finnish without context": "Hän söi jäätelöä.",
    "Swedish": "Flickan gick över bron och såg på båtarna i ån. Det var en vårkväll.",
    "Norwegian": "Gutten rodde ut på sjøen før sola kom opp, og det var ikke en lyd å høre.",
    "Danish": "Hun købte brød og æbler på torvet, og så gik hun hjem over åen.",
    "Icelandic": "Það var einu sinni maður sem átti þrjá syni og bjó við sjóinn. Hún æfði sig á öðrum bæ.",
    "German": "Der Müller hörte die Vögel über den Dächern und grüßte süß die Straße.",
    "French": "L’été dernier, la grand-mère a fêté ses noces à la forêt près du château où il naît.",
    "Spanish": "El niño corrió por la montaña y encontró una canción que su mamá había olvidado.",
    "Galician": "A nena camiñou ata a praia e viu un paxaro que voaba. Mañá virá o avó da montaña.",
    "Portuguese": "O avô não sabia que as crianças comiam pão com maçã à beira do rio. Então põe a lição.",
    "Italian": "La città è più bella di sera, perché il sole non c’è e così si può camminare.",
    "Polish": "Dziewczynka poszła do źródła, żeby się napić, i usłyszała, że gęś śpi. Mąż był zły.",
    "Czech": "Babička šla do lesa, protože chtěla najít houby, ale příliš žluťoučký kůň ji zdržel.",
    "Slovak": "Chlapec sa vrátil domov a povedal, že vták už odletel. Ľudia stáli pri moste a čakali.",
    "Hungarian": "Az öregember ült a fűben, és nézte, hogy úszik a kacsa a tóban. Az idő szép, és hűvös.",
    "Croatian": "Djevojčica je otišla u šumu i našla kućicu. Đak je čekao, a noć je već došla, žuta i duga.",
    "Slovenian": "Deček je šel v gozd in našel ježa, ki je že spal pod hruško.",
    "Romanian": "Fata a plecat în pădure şi a găsit o căsuţă mică, în care trăia un bătrân.",
    "Turkish": "Küçük kız ormana gitti ve ağacın altında uyuyan bir kuş gördü. Şimdi çok ışık var.",
    "Lithuanian": "Mergaitė nuėjo į mišką ir rado mažą namą, kuriame gyveno žmogus. Jų šuo buvo čia.",
    "Latvian": "Meitene gāja uz mežu un atrada mazu māju, kur dzīvoja vecs vīrs ar suņiem un kaķi.",
    "Estonian": "Tüdruk läks metsa ja leidis väikese maja, kus elas üks vana mees. Õhtu oli külm.",
    "Russian": "Девочка пошла в лес и нашла маленький дом, в котором жил старик. Ночь была тихая.",
    "Ukrainian": "Дівчинка пішла до лісу і знайшла маленьку хатинку, де жив її дід. Ніч була тиха.",
    "Bulgarian": "Момичето отиде в гората и намери малка къща, в която живееше един старец. Нощта беше тиха.",
    "Greek": "Το κορίτσι πήγε στο δάσος και βρήκε ένα μικρό σπίτι. Άλλη μέρα θα ξαναπάει με τη μητέρα του.",
    "Hebrew": "הילדה הלכה ליער ומצאה בית קטן שבו גר איש זקן עם כלב.",
    "Arabic": "ذهبت البنت إلى الغابة ووجدت بيتا صغيرا يعيش فيه رجل عجوز.",
    "Thai": "เด็กหญิงเดินเข้าไปในป่าและพบบ้านหลังเล็กที่มีชายชราอาศัยอยู่",
    "Japanese": "女の子は森へ行って、小さな家を見つけました。そこには老人が住んでいました。",
    "Japanese, short": "吾輩は猫である。名前はまだ無い。",
    "Simplified Chinese": "小女孩走进森林，看见了一间小房子。里面住着一个老人，他每天都在看书。",
    "Traditional Chinese": "小女孩走進森林，看見了一間小房子。裡面住著一個老人，他每天都在看書。",
    "Korean": "소녀는 숲으로 가서 작은 집을 보았다. 그 집에는 노인이 살고 있었다.",
}

CYRILLIC = ("koi8_r", "cp1251", "cp866", "iso8859_5")
GREEK = ("cp1253", "iso8859_7")
CAPITALS = [
    *(
        (text, encoding)
        for text in ("ВОЙНА И МИР", "ГЛАВА ПЕРВАЯ", "НОЧЬ БЫЛА ТИХАЯ")
        for encoding in CYRILLIC
    ),
    *((text, encoding) for text in ("Η ΜΕΡΑ ΗΤΑΝ ΚΑΛΗ", "ΤΟ ΚΟΡΙΤΣΙ ΠΗΓΕ ΣΤΟ ΔΑΣΟΣ") for encoding in GREEK),
    *((PAGES["Russian"].upper(), encoding) for encoding in CYRILLIC),
    *((PAGES["Greek"].upper(), encoding) for encoding in GREEK),
    *((PAGES[name].upper(), "cp1251") for name in ("Ukrainian", "Bulgarian")),
    *((PAGES[name].upper(), "cp1252") for name in ("Finnish", "Swedish", "German", "Spanish")),
]
"""Pages of capitals only, and what they are kept in."""

WESTERN = (
    *("Finnish", "Finnish without context", "Swedish", "Norwegian", "Danish", "Icelandic", "German"),
    *("Spanish", "Galician", "Portuguese", "French", "Italian"),
)
CENTRAL = ("Polish", "Czech", "Slovak", "Hungarian", "Croatian", "Slovenian", "Romanian")

KEPT_IN = [
    *((name, "cp1252") for name in WESTERN),
    *((name, "mac_roman") for name in ("Swedish", "German", "French")),
    *((name, "cp850") for name in ("Finnish", "Portuguese")),
    *((name, encoding) for name in CENTRAL for encoding in ("cp1250", "iso8859_2")),
    *((name, "cp852") for name in ("Polish", "Czech")),
    ("Turkish", "cp1254"),
    *((name, "cp1257") for name in ("Lithuanian", "Latvian", "Estonian")),
    *((name, "cp1251") for name in ("Russian", "Ukrainian", "Bulgarian")),
    *((name, encoding) for name in ("Russian",) for encoding in ("koi8_r", "cp866", "iso8859_5")),
    ("Ukrainian", "koi8_u"),
    *(("Greek", encoding) for encoding in ("cp1253", "iso8859_7")),
    ("Hebrew", "cp1255"),
    ("Arabic", "cp1256"),
    ("Thai", "cp874"),
    *((name, encoding) for name in ("Japanese", "Japanese, short") for encoding in ("cp932", "euc_jp")),
    ("Japanese", "iso2022_jp"),
    ("Simplified Chinese", "gb18030"),
    ("Traditional Chinese", "big5"),
    ("Korean", "cp949"),
    *((name, "utf-8-sig") for name in ("Finnish", "Japanese")),
    *(
        (name, encoding)
        for name in ("Finnish", "Russian")
        for encoding in ("utf-16", "utf-16-le", "utf-16-be")
    ),
]
