/**
 * The filters that everybody has. Their names and what they must do are libvirt's (11.3 formatnwfilter.html and the names in its
 * package); docs/nwfilter.md says where they do more. Directions are the guest's view.
 */
export const stockTexts: readonly string[] = [
  // What the guest sends bears its own addresses.
  `<filter name='no-mac-spoofing' chain='mac' priority='-800'>
    <rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>
    <rule action='drop' direction='out'><mac/></rule>
  </filter>`,
  `<filter name='no-ip-spoofing' chain='ipv4-ip' priority='-710'>
    <!-- A guest without an address asks for one by DHCP. -->
    <rule action='return' direction='out' priority='100'><ip srcipaddr='0.0.0.0' protocol='udp'/></rule>
    <rule action='return' direction='out'><ip srcipaddr='$IP'/></rule>
    <rule action='drop' direction='out' priority='1000'/>
  </filter>`,
  `<filter name='no-ipv6-spoofing' chain='ipv6-ip' priority='-610'>
    <!-- Before a guest has any address: is mine taken (RFC 4862), who routes, which groups do I hear (RFC 3810). -->
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='::' protocol='icmpv6' type='135'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='::' protocol='icmpv6' type='133'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='::' protocol='icmpv6' type='143'/>
    </rule>
    <!-- From its address on the link, which nobody lists: neighbours, routers, groups, DHCP. -->
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='icmpv6' type='135' typeend='136'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='icmpv6' type='133'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='icmpv6' type='131' typeend='132'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='icmpv6' type='143'/>
    </rule>
    <rule action='return' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp'/>
    </rule>
    <rule action='return' direction='out'><ipv6 srcipaddr='$IPV6'/></rule>
    <rule action='drop' direction='out' priority='1000'/>
  </filter>`,
  `<filter name='no-arp-mac-spoofing' chain='arp-mac' priority='-520'>
    <rule action='return' direction='out' priority='350'><arp arpsrcmacaddr='$MAC'/></rule>
    <rule action='drop' direction='out' priority='1000'/>
  </filter>`,
  `<filter name='no-arp-ip-spoofing' chain='arp-ip' priority='-510'>
    <rule action='return' direction='out' priority='400'><arp arpsrcipaddr='$IP'/></rule>
    <rule action='drop' direction='out' priority='1000'/>
  </filter>`,
  `<filter name='no-arp-spoofing' chain='root'>
    <filterref filter='no-arp-mac-spoofing'/>
    <filterref filter='no-arp-ip-spoofing'/>
  </filter>`,

  // What passes whole.
  `<filter name='allow-arp' chain='arp'><rule action='accept' direction='inout'/></filter>`,
  `<filter name='allow-ipv4' chain='ipv4'><rule action='accept' direction='inout'/></filter>`,
  `<filter name='allow-ipv6' chain='ipv6'><rule action='accept' direction='inout'/></filter>`,
  `<filter name='allow-incoming-ipv4' chain='ipv4'><rule action='accept' direction='in'/></filter>`,
  `<filter name='allow-incoming-ipv6' chain='ipv6'><rule action='accept' direction='in'/></filter>`,

  // The guest as a client of DHCP. The rules come before those that drop broadcasts.
  `<filter name='allow-dhcp' chain='ipv4'>
    <rule action='accept' direction='out' priority='100'>
      <ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' dstportstart='67'/>
    </rule>
    <rule action='accept' direction='in' priority='100'>
      <ip protocol='udp' srcportstart='67' dstportstart='68'/>
    </rule>
  </filter>`,
  `<filter name='allow-dhcp-server' chain='ipv4'>
    <rule action='accept' direction='out' priority='100'>
      <ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' dstportstart='67'/>
    </rule>
    <rule action='accept' direction='in' priority='100'>
      <ip srcipaddr='$DHCPSERVER' protocol='udp' srcportstart='67' dstportstart='68'/>
    </rule>
  </filter>`,
  `<filter name='allow-dhcpv6' chain='ipv6'>
    <rule action='accept' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546' dstportstart='547'/>
    </rule>
    <rule action='accept' direction='in' priority='100'>
      <ipv6 protocol='udp' srcportstart='547' dstportstart='546'/>
    </rule>
  </filter>`,
  `<filter name='allow-dhcpv6-server' chain='ipv6'>
    <rule action='accept' direction='out' priority='100'>
      <ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546' dstportstart='547'/>
    </rule>
    <rule action='accept' direction='in' priority='100'>
      <ipv6 srcipaddr='$DHCPSERVER' protocol='udp' srcportstart='547' dstportstart='546'/>
    </rule>
  </filter>`,

  // What the guest does not send.
  `<filter name='no-ip-multicast' chain='ipv4'>
    <rule action='drop' direction='out'><ip dstipaddr='224.0.0.0' dstipmask='4'/></rule>
  </filter>`,
  `<filter name='no-ipv6-multicast' chain='ipv6'>
    <rule action='drop' direction='out'><ipv6 dstipaddr='ff00::' dstipmask='8'/></rule>
  </filter>`,
  `<filter name='no-mac-broadcast' chain='ipv4'>
    <rule action='drop' direction='out'><mac dstmacaddr='ff:ff:ff:ff:ff:ff'/></rule>
  </filter>`,
  `<filter name='no-other-l2-traffic' chain='root'>
    <rule action='drop' direction='inout' priority='1000'/>
  </filter>`,
  `<filter name='no-other-rarp-traffic' chain='rarp'>
    <rule action='drop' direction='inout' priority='1000'/>
  </filter>`,

  // The guest serves nobody: neither as a router of IPv6 (RFC 6105) nor with DHCP. They stand ahead of the spoofing filters, which
  // let pass what comes from the guest's own address.
  `<filter name='no-router-advertisement' chain='ipv6-ra' priority='-630'>
    <rule action='drop' direction='out'><ipv6 protocol='icmpv6' type='134'/></rule>
    <rule action='drop' direction='out'><ipv6 protocol='icmpv6' type='137'/></rule>
  </filter>`,
  `<filter name='no-dhcp-server' chain='ipv4-dhcp' priority='-730'>
    <rule action='drop' direction='out'><ip protocol='udp' srcportstart='67' dstportstart='68'/></rule>
  </filter>`,
  `<filter name='no-dhcpv6-server' chain='ipv6-dhcp' priority='-620'>
    <rule action='drop' direction='out'><ipv6 protocol='udp' srcportstart='547' dstportstart='546'/></rule>
  </filter>`,

  // QEMU tells the switches where a guest is that has moved.
  `<filter name='qemu-announce-self-rarp' chain='rarp'>
    <rule action='accept' direction='out'>
      <rarp srcmacaddr='$MAC' dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse'
        arpsrcmacaddr='$MAC' arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>
    </rule>
    <rule action='accept' direction='in'>
      <rarp dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse'
        arpsrcmacaddr='$MAC' arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>
    </rule>
  </filter>`,
  `<filter name='qemu-announce-self' chain='root'>
    <filterref filter='qemu-announce-self-rarp'/>
    <filterref filter='no-other-rarp-traffic'/>
  </filter>`,

  // All of it together. Frames that none of it names end at no-other-l2-traffic, those with a VLAN's tag among them.
  `<filter name='clean-traffic' chain='root'>
    <filterref filter='no-mac-spoofing'/>
    <filterref filter='no-ip-spoofing'/>
    <rule action='accept' direction='out' priority='-650'><mac protocolid='ipv4'/></rule>
    <filterref filter='allow-incoming-ipv4'/>
    <filterref filter='no-arp-spoofing'/>
    <rule action='accept' direction='inout' priority='-500'><mac protocolid='arp'/></rule>
    <filterref filter='no-other-l2-traffic'/>
    <filterref filter='qemu-announce-self'/>
  </filter>`,
  `<filter name='clean-traffic-gateway' chain='root'>
    <filterref filter='no-mac-spoofing'/>
    <filterref filter='no-ip-spoofing'/>
    <filterref filter='no-arp-spoofing'/>
    <rule action='accept' direction='inout' priority='-500'><mac protocolid='arp'/></rule>
    <rule action='accept' direction='in'><mac protocolid='ipv4' srcmacaddr='$GATEWAY_MAC'/></rule>
    <rule action='accept' direction='out'><mac protocolid='ipv4' dstmacaddr='$GATEWAY_MAC'/></rule>
    <filterref filter='no-other-l2-traffic'/>
    <filterref filter='qemu-announce-self'/>
  </filter>`,
  `<filter name='clean-traffic-ipv6' chain='root'>
    <filterref filter='no-dhcp-server'/>
    <filterref filter='no-router-advertisement'/>
    <filterref filter='no-dhcpv6-server'/>
    <filterref filter='no-ipv6-spoofing'/>
    <rule action='accept' direction='out' priority='-550'><mac protocolid='ipv6'/></rule>
    <filterref filter='allow-incoming-ipv6'/>
    <filterref filter='clean-traffic'/>
  </filter>`,
];
